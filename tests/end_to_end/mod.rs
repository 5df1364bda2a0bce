//! Warren as its users meet it: real processes, real broker, real containers.

mod access;
mod bench;
mod callbacks;
mod cancel;
mod cli;
mod cli_of_history;
mod drain;
mod duplicates;
mod engine;
mod fairness;
mod fallback;
mod history;
mod idempotency;
mod images;
mod judging;
mod leftovers;
mod not_waiting;
mod overload;
mod poison;
mod pool;
mod programs;
mod requests;
mod schemathesis;
mod test_cases;
mod workers;
