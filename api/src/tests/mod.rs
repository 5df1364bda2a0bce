//! Tests of the API over a real queue, a real consumer, and a real store.
//!
//! They stay inside the crate: they drive its router without a socket, switch off a store or a name
//! server, and shorten intervals, none of which an operator can. In a folder of integration tests, all of that would
//! have to be `pub`.

mod admission;
mod batch;
mod bench;
mod callbacks;
mod callers;
mod cors;
mod description;
mod errors;
mod executor;
mod floods;
mod hang_up;
mod health;
mod hidden;
mod history;
mod idempotency;
mod issuer;
mod judge0;
mod late;
mod log;
mod main_job;
mod metrics;
mod not_waiting;
mod peers;
mod rates;
mod refusals;
mod server;
mod sqlite_file;
mod token_rooms;
mod tokens;
