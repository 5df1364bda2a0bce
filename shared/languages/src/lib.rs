//! The languages that Warren runs, as data: names, commands, images and rules.
//!
//! The check of code is a courtesy to well-meaning authors and part of the contract. It does not
//! hold hostile code: the container does. It reads code as the interpreters do, but it does not see
//! through a program that builds a name while it runs (`globalThis['ev' + 'al']`).
//!
//! The modules form layers, and each imports from those below it alone: `catalogue` · `file` ·
//! `language` · `rules` · `mask`, `parking`, `rule`, `scopes`, `uses` · `fault`, `lexer` ·
//! `escapes`, `image`, `name`, `policy`, `position`, `syntax`, `violation`.

mod catalogue;
mod escapes;
mod fault;
mod file;
mod image;
mod language;
mod lexer;
mod mask;
mod name;
mod parking;
mod policy;
mod position;
mod rule;
mod rules;
mod scopes;
mod syntax;
#[cfg(test)]
mod tests;
mod uses;
mod violation;

pub use catalogue::Languages;
pub use fault::{Fault, LanguagesError, Location, Problem};
pub use image::{ImageReference, InvalidImageReference};
pub use language::Language;
pub use name::{InvalidLanguageName, LanguageName};
pub use policy::{InvalidPolicy, PolicyMode};
pub use violation::Violation;
