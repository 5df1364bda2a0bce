//! A Warren process that the benchmark starts for itself.
//!
//! It is started as an operator starts it, on ports and in a directory of its own, and it ends with
//! the benchmark, however that ends.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::blocking::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::context::Bench;

/// The longest that one may take to become healthy, because images may have to be built first.
const START: Duration = Duration::from_secs(120);
/// The longest that one may take to stop after SIGTERM.
const END: Duration = Duration::from_secs(30);
/// The interval between checks.
const LOOK: Duration = Duration::from_millis(50);
/// The number of its last lines that are shown when it fails.
const LINES: usize = 10;

/// A running `warren COMMAND`.
pub struct Process {
    command: &'static str,
    child: Child,
    directory: TempDir,
    api: Option<String>,
    worker: Option<String>,
}

impl Process {
    /// Starts it and waits until it reports that it is healthy.
    ///
    /// # Errors
    /// It stops, or is not healthy in time.
    pub fn start(bench: &Bench, client: &Client, command: &'static str) -> anyhow::Result<Self> {
        bench.progress.say(&format!("starting warren {command}"));
        let mut process = Self::spawn(command)?;
        let started = Instant::now();
        while !process.is_well(client) {
            if let Some(status) = process.child.try_wait()? {
                bail!(
                    "warren {command} ended with {status}:\n{}",
                    process.last_lines()
                );
            }
            ensure!(
                started.elapsed() < START,
                "warren {command} was not healthy within {START:?}:\n{}",
                process.last_lines()
            );
            bench.pause(LOOK)?;
        }
        Ok(process)
    }

    fn spawn(command: &'static str) -> anyhow::Result<Self> {
        let directory =
            TempDir::with_prefix("warren-bench-").context("cannot create a temporary directory")?;
        let log = File::create(directory.path().join("log")).context("cannot write the log")?;
        let child = Command::new(env::current_exe().context("cannot find this program's own file")?)
            .arg(command)
            .current_dir(directory.path())
            .env("WARREN_API_ADDR", "127.0.0.1:0")
            .env("WARREN_WORKER_ADDR", "127.0.0.1:0")
            .env("WARREN_DATA_DIR", directory.path())
            // Its addresses are read from lines in JSON, and no real database is filled.
            .env("NODE_ENV", "production")
            .env_remove("RUST_LOG")
            .env_remove("MONGODB_URI")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C reaches the benchmark alone, which then stops this process in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start warren {command}"))?;
        Ok(Self {
            command,
            child,
            directory,
            api: None,
            worker: None,
        })
    }

    /// Returns the address of its API (`http://…`), if it has one.
    pub fn api(&self) -> Option<&str> {
        self.api.as_deref()
    }

    /// Returns true if every part that it should have answers `ok`.
    fn is_well(&mut self, client: &Client) -> bool {
        self.read_addresses();
        let api = self.api.as_ref().map(|url| format!("{url}/api/health"));
        let worker = self.worker.as_ref().map(|url| format!("{url}/health"));
        let parts = if self.command == "up" { 2 } else { 1 };
        let addresses: Vec<String> = api.into_iter().chain(worker).collect();
        addresses.len() == parts && addresses.iter().all(|url| says_ok(client, url))
    }

    fn read_addresses(&mut self) {
        for line in self.log().lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            let address = line["address"]
                .as_str()
                .map(|address| format!("http://{address}"));
            match line["message"].as_str() {
                Some("the API listens") => self.api = address,
                Some("the worker listens") => self.worker = address,
                _ => {}
            }
        }
    }

    fn log(&self) -> String {
        let file: PathBuf = self.directory.path().join("log");
        fs::read_to_string(file).unwrap_or_default()
    }

    fn last_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// It did not stop in time, or not cleanly.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let status = self.end()?;
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!(
                "warren {} ended with {status}:\n{}",
                self.command,
                self.last_lines()
            ),
            None => bail!(
                "warren {} did not end within {END:?}:\n{}",
                self.command,
                self.last_lines()
            ),
        }
    }

    fn end(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let asked = Instant::now();
        while asked.elapsed() < END {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(LOOK);
        }
        Ok(None)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.end(), Ok(Some(_))) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn says_ok(client: &Client, url: &str) -> bool {
    let Ok(answer) = client.get(url).send() else {
        return false;
    };
    let health: Value = answer.json().unwrap_or_default();
    // What is found about the host weakens its sandboxes, and changes no figure.
    let services = health["services"].as_object();
    let mut others = services
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "host");
    health["status"] == "ok"
        || (health["status"] == "degraded" && others.all(|(_, service)| service["status"] == "ok"))
}
