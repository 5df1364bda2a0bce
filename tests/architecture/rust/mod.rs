//! Reads Rust source as far as the house rules need: tokens, comments, modules, imports.

pub mod graph;
pub mod imports;
pub mod items;
pub mod modules;
pub mod text;
pub mod tokens;
