//! The machine of a run.

use std::fs;
use std::thread;

use serde::Serialize;

/// The machine of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// The number of usable cores.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The engine's version, runtime, cgroup version and storage driver.
    pub docker: String,
}

impl Machine {
    /// Describes this machine, with this engine.
    pub fn this(docker: String) -> Self {
        let unknown = || "unknown".to_owned();
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors
            .lines()
            .find(|line| line.starts_with("model name"));
        let model = model
            .and_then(|line| line.split_once(':'))
            .map(|(_, name)| name.trim().to_owned());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
        Self {
            processor: model.unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: kernel.map_or_else(unknown, |release| release.trim().to_owned()),
            docker,
        }
    }
}
