//! The API from the outside: over a real queue with a real consumer, and a real store.

mod admission;
mod batch;
mod bench;
mod callbacks;
mod callers;
mod cors;
mod description;
mod errors;
mod executor;
mod hang_up;
mod health;
mod history;
mod idempotency;
mod issuer;
mod judge0;
mod late;
mod log;
mod main_job;
mod metrics;
mod not_waiting;
mod rates;
mod refusals;
mod server;
mod sqlite_file;
mod tokens;
