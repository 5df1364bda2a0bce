//! Warren's worker: takes jobs off the queue, runs each in a hardened container, and replies.
//!
//! The modules follow a job's path. Each may use the modules listed below it and none above:
//!
//! ```text
//! worker      puts the parts together, runs and drains them
//! config      the operator's settings
//! intake      takes jobs: from the queue, from its own HTTP, unattended ones at their turn
//! condition   watches whether jobs can be run, and reports and announces it
//! run         sees one job through, from its container to its outcome
//! metrics     counts and shows what the worker does
//! doctor      examines sandboxes and host once, for a person
//! readiness   the state that `condition` sets and the others read
//! host        judges the host that sandboxes run on
//! posture     reads a sandbox's confinement from inside, and judges it
//! roots       makes the languages' roots for the native engine
//! sandbox     has containers ready, and speaks with PID 1 in them
//! engine      makes and removes containers
//! slots       bounds how many jobs run at a time
//! pauses      pauses between attempts
//! error       the crate's one error type
//! ```

mod condition;
mod config;
mod doctor;
mod engine;
mod error;
mod host;
mod intake;
mod metrics;
mod pauses;
mod posture;
mod readiness;
pub mod roots;
mod run;
mod sandbox;
mod slots;
mod worker;

pub use config::Config;
pub use doctor::{Examination, Examined, examine};
pub use engine::docker::{DockerConfig, DockerEngine};
pub use engine::native::{NativeConfig, NativeEngine};
pub use engine::{Engine, EngineChoice};
pub use error::{Error, Result};
pub use host::{NAMES as FINDINGS, Severity, names_of as findings_of};
pub use worker::Worker;
