//! The rules of the workspace and of the house, read from its files.

mod crates;
mod files;
mod sizes;
