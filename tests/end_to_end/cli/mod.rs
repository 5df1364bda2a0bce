//! The commands of a person at a terminal: `run`, `result`, `history`, `cancel`, `bench`, `doctor`.

mod bench;
mod doctor;
mod history;
mod run;
mod terminal;
