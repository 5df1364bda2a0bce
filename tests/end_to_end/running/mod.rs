//! A program's path through the API: requests, answers, verdicts, records and callbacks.

mod access;
mod callbacks;
mod cancel;
mod case_sandboxes;
mod history;
mod idempotency;
mod judging;
mod not_waiting;
mod programs;
mod requests;
mod schemathesis;
mod surroundings;
mod test_cases;
