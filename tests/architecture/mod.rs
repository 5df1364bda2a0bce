//! The rules of the workspace and of the house, read from its files.

mod crates;
mod exports;
mod files;
mod headlines;
mod layers;
mod mutations;
mod names;
mod paths;
mod rust;
mod sizes;
mod threats;
