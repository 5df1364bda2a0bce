//! A measured system: a way of running jobs.

use std::time::Duration;

use serde::Serialize;
use warren_protocol::contract::TimingsMs;

use crate::workload::Workload;

/// A system that runs jobs.
pub trait System: Send + Sync {
    /// Returns its name.
    fn name(&self) -> SystemName;

    /// Runs a job and checks its output.
    ///
    /// # Errors
    /// The job could not be run, or its output is not the expected one.
    fn run(&self, job: &Workload) -> anyhow::Result<Sample>;
}

/// The name of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SystemName {
    /// Warren, through its API.
    Warren,
    /// The docker command line, one container a run, with the same limits.
    DockerRun,
    /// The interpreter, forked in a chroot without isolation or limits.
    BareInterpreter,
}

impl SystemName {
    /// Returns its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warren => "Warren",
            Self::DockerRun => "docker run",
            Self::BareInterpreter => "bare interpreter",
        }
    }
}

/// The measurement of a job that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The time from the request to the whole answer.
    pub took: Duration,
    /// The time of each stage, as Warren reports it.
    pub timings: Option<TimingsMs>,
}
