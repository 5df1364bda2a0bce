//! Reads the processes' logs: how often each job was begun, and by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The content of all logs of a site.
#[derive(Default)]
pub struct Logs {
    /// The number of times that each job was handed to a container.
    pub begun: BTreeMap<String, u32>,
    /// The workers' names.
    pub workers: BTreeSet<String>,
}

impl Logs {
    /// Reads the logs of all processes that have ended.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        let mut logs = Self::default();
        for entry in fs::read_dir(directory)? {
            for line in fs::read_to_string(entry?.path())?.lines() {
                let Ok(line) = serde_json::from_str::<Value>(line) else {
                    continue;
                };
                match line["message"].as_str() {
                    Some("begun") => {
                        let job = line["span"]["job.id"].as_str().unwrap_or_default();
                        *logs.begun.entry(job.to_owned()).or_default() += 1;
                    }
                    Some("the worker listens") => {
                        logs.workers
                            .extend(line["instance"].as_str().map(str::to_owned));
                    }
                    _ => {}
                }
            }
        }
        Ok(logs)
    }

    /// Runs beyond the first of a job.
    pub fn re_executions(&self) -> u32 {
        self.begun.values().map(|times| times - 1).sum()
    }

    /// Returns the most times that any job was begun.
    pub fn most(&self) -> u32 {
        self.begun.values().copied().max().unwrap_or_default()
    }
}

/// Returns the lines about a job, with the process that wrote each.
pub fn about(directory: &Path, job: &str) -> Vec<String> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut lines = Vec::new();
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        let mine = text.lines().filter(|line| line.contains(job));
        lines.extend(mine.map(|line| {
            let at = serde_json::from_str::<Value>(line).unwrap_or_default();
            (at["timestamp"].to_string(), format!("{name}: {line:.400}"))
        }));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}
