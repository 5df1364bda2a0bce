//! Reading configuration from the environment so that all its faults are told at once.

mod env;
mod secret;

pub use env::{Env, Fault, Faults};
pub use secret::{WORKER_SECRET_VARIABLE, WorkerSecret};
