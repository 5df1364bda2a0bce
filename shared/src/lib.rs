//! What crosses Warren's queue, and what both of its sides need: jobs and outcomes, the queue
//! itself, the languages with their validation, the contract with callers, configuration and
//! telemetry. Nothing here knows HTTP servers, container engines or databases.

pub mod callback;
pub mod clip;
pub mod compare;
pub mod comparing;
pub mod config;
pub mod contract;
pub mod error;
pub mod event;
pub mod health;
pub mod ids;
pub mod job;
pub mod languages;
pub mod limits;
pub mod outcome;
pub mod presence;
pub mod queue;
pub mod reply;
pub mod signal;
pub mod submission;
pub mod telemetry;
pub mod time;

pub use error::{Error, Result};
