//! The protocol of Warren: what crosses its queue, and its contract with callers.
//!
//! Nothing here knows a broker, an HTTP server, a container engine or a database.

pub mod callback;
pub mod clip;
pub mod compare;
pub mod comparing;
pub mod contract;
pub mod event;
pub mod health;
pub mod ids;
pub mod job;
pub mod limits;
pub mod outcome;
pub mod presence;
pub mod reply;
pub mod signal;
pub mod submission;
pub mod time;
