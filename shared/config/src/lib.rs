//! The environment as checked configuration: one list of variables, and one reader that gathers faults.

mod env;
mod secret;
mod variable;
pub mod variables;

pub use env::{Env, Fault, Faults};
pub use secret::{WORKER_SECRET_VARIABLE, WorkerSecret};
pub use variable::{Reader, Unset, Variable};
pub use variables::{Group, VARIABLES};
