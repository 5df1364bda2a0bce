//! The wire format between the worker and PID 1, and the file that parked interpreters load.

pub mod parked;
pub mod wire;
