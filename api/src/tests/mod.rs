//! The API from the outside: over a real queue with a real consumer, and a real store.

mod admission;
mod bench;
mod callers;
mod cors;
mod errors;
mod hang_up;
mod health;
mod issuer;
mod late;
mod log;
mod main_job;
mod rates;
mod refusals;
mod server;
mod sqlite_file;
mod tokens;
