//! What the worker and PID 1 of a container share: the wire format, and what parked interpreters load.

pub mod parked;
pub mod wire;
