//! What is measured: Warren, and what people would do without it.

mod bare;
mod child;
mod docker;
mod interpreter;
mod warren;

use std::time::Duration;

use serde::Serialize;
use warren_protocol::contract::TimingsMs;

pub use bare::Bare;
pub use docker::{DockerRun, engine as docker_engine};
pub use warren::Server;

use super::workload::Workload;

/// A way of running jobs.
pub trait System: Send + Sync {
    /// Which one.
    fn name(&self) -> SystemName;

    /// Runs a job and checks what it printed.
    ///
    /// # Errors
    /// It could not be run, or printed something else.
    fn run(&self, job: &Workload) -> anyhow::Result<Sample>;
}

/// Which system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SystemName {
    /// Warren, through its API.
    Warren,
    /// The docker command line, one container a run, with the same limits.
    DockerRun,
    /// The interpreter forked in a chroot, without any isolation or limits.
    BareInterpreter,
}

impl SystemName {
    /// What tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warren => "Warren",
            Self::DockerRun => "docker run",
            Self::BareInterpreter => "bare interpreter",
        }
    }
}

/// A job that went well.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From asking to the whole answer.
    pub took: Duration,
    /// Where Warren says the time went.
    pub timings: Option<TimingsMs>,
}
