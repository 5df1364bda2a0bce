//! The commands of a person at a terminal: `run`, `result`, `history`, `cancel`, `bench`.

mod bench;
mod history;
mod run;
mod terminal;
