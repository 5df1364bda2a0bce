//! Reading configuration from the environment so that all its faults are told at once.

mod env;

pub use env::{Env, Fault, Faults};
