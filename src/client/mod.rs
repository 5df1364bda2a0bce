//! The commands that talk to a running server.

mod cases;
pub mod health;
pub mod history;
mod language;
mod output;
mod progress;
mod render;
pub mod result;
pub mod run;
mod server;
mod unanswered;
