//! The wire format between worker and PID 1, and a file for parked interpreters.

pub mod parked;
pub mod wire;
