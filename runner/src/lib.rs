//! The wire format between the worker and PID 1 of a container.

pub mod wire;
