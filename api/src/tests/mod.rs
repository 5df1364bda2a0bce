//! The API from the outside: over a real queue with a real consumer, and a real store.

mod admission;
mod bench;
mod cors;
mod errors;
mod hang_up;
mod health;
mod history;
mod idempotency;
mod late;
mod log;
mod main_job;
mod refusals;
mod server;
mod sqlite_file;
