//! Tests of the languages.

mod file;
