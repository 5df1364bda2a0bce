//! The report of a run, as JSON and as the source of tables.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use warren_protocol::time::EpochMillis;

use super::broker::Broker;
use super::latency::Latency;
use super::machine::Machine;
use super::plan::Plan;
use super::sustained::Throughput;

/// The results of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Warren's version.
    pub version: &'static str,
    /// `release` or `debug`.
    pub build: &'static str,
    /// The time at which the run ended.
    pub finished_at: EpochMillis,
    /// The machine.
    pub machine: Machine,
    /// The queue between API and worker.
    pub queue: &'static str,
    /// The plan of the measurements.
    pub plan: Plan,
    /// The `docker run` command for Python's hello.
    pub docker_run: String,
    /// CPU time that the idle machine spends, subtracted everywhere.
    pub idle_cpu_ms_per_second: f64,
    /// One job at a time.
    pub one_at_a_time: Vec<Latency>,
    /// Many jobs at a time.
    pub sustained: Vec<Throughput>,
    /// The broker alone; empty without one.
    pub broker: Vec<Broker>,
    /// Omissions, and other facts to know when reading the figures.
    pub notes: Vec<String>,
    /// The first errors of failed jobs.
    pub troubles: Vec<String>,
}

impl Report {
    /// Returns true if every job succeeded on every system.
    pub fn is_without_errors(&self) -> bool {
        self.one_at_a_time.iter().all(|cell| cell.errors == 0)
            && self.sustained.iter().all(|cell| cell.errors == 0)
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory)?;
            }
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            Ok(fs::write(file, text)?)
        };
        write().with_context(|| {
            format!(
                "{} cannot be written; choose another file with --json",
                file.display()
            )
        })
    }
}
