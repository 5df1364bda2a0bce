//! The commands of a person at a terminal: `run`, `result`, `history`, `cancel`, `bench`, `doctor`, `rootfs`.

mod bench;
mod doctor;
mod history;
mod rootfs;
mod run;
mod terminal;
