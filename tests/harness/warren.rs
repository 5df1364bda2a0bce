//! Warren's own processes, started as an operator starts them and ended by the test.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::engine::Engine;
use super::http::{self, Answer};
use super::wait::SOON;

/// A running `warren`. Dropping it ends it; its log is shown when the test failed.
pub struct Warren {
    child: Child,
    listeners: usize,
    /// The engine of its worker, if it has one.
    pub engine: Engine,
    directory: TempDir,
    /// The address of its API, `http://…`, if it is one.
    pub api: Option<String>,
    /// The address of its worker, `http://…`, if it is one.
    pub worker: Option<String>,
    /// The name of its worker, if it is one and is healthy.
    instance: Option<String>,
}

/// A job that a worker has begun, as its log has it.
#[derive(Clone, Debug)]
pub struct Begun {
    pub job: String,
    pub language: String,
}

impl Warren {
    /// Starts `warren COMMAND` with these variables alone and waits until it is healthy.
    pub async fn start(command: &str, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_on(Engine::of_tests(), command, variables).await
    }

    /// Starts it on this engine and waits until it is healthy.
    pub async fn start_on(
        engine: Engine,
        command: &str,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut warren = Self::spawn_on(engine, command, variables)?;
        warren.until_listening().await?;
        warren.until_healthy().await?;
        Ok(warren)
    }

    /// Starts it without waiting.
    pub fn spawn(command: &str, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::spawn_on(Engine::of_tests(), command, variables)
    }

    /// Starts it on this engine without waiting.
    pub fn spawn_on(
        engine: Engine,
        command: &str,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let child = Command::new(binary())
            .arg(command)
            .current_dir(directory.path())
            .env_clear()
            .envs(std::env::var("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)))
            .envs(engine.variables())
            .env("WARREN_API_ADDR", "127.0.0.1:0")
            .env("WARREN_WORKER_ADDR", "127.0.0.1:0")
            .env("WARREN_DATA_DIR", directory.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.path().join("log"))?)
            .spawn()?;
        Ok(Self {
            child,
            engine,
            listeners: if command == "up" { 2 } else { 1 },
            directory,
            api: None,
            worker: None,
            instance: None,
        })
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Returns the jobs that its worker has begun, in that order.
    pub fn begun(&self) -> Vec<Begun> {
        let log = self.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let begun = lines.filter(|line| line["message"] == "begun");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        begun
            .map(|line| Begun {
                job: text(&line["span"]["job.id"]),
                language: text(&line["span"]["language"]),
            })
            .collect()
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Reads from the log the addresses that it listens on.
    pub async fn until_listening(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            self.still_runs()?;
            for line in self
                .log()
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            {
                let address = line["address"]
                    .as_str()
                    .map(|address| format!("http://{address}"));
                match line["message"].as_str() {
                    Some("the API listens") => self.api = address,
                    Some("the worker listens") => self.worker = address,
                    _ => {}
                }
            }
            if self.api.iter().chain(&self.worker).count() == self.listeners {
                return Ok(());
            }
            self.within(started, SOON, "listen").await?;
        }
    }

    /// Waits until a worker takes jobs and reports that it is healthy.
    async fn until_healthy(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let api = self.api.as_ref().map(|url| format!("{url}/api/health"));
        let worker = self.worker.as_ref().map(|url| format!("{url}/health"));
        // An API without workers is degraded, and healthy enough to be started first.
        let acceptable: &[&str] = if worker.is_some() {
            &["ok"]
        } else {
            &["ok", "degraded"]
        };
        for url in api.into_iter().chain(worker) {
            loop {
                self.still_runs()?;
                if let Ok(answer) = http::get(url.clone()).await
                    && acceptable.contains(&answer.health_without_host())
                {
                    if url.ends_with("/health") && !url.ends_with("/api/health") {
                        self.instance = Some(answer.text("instance").to_owned());
                    }
                    break;
                }
                self.within(started, SOON, "become healthy").await?;
            }
        }
        Ok(())
    }

    fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => anyhow::bail!("warren ended with {status}: {}", self.log()),
            None => Ok(()),
        }
    }

    async fn within(&self, started: Instant, limit: Duration, what: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            started.elapsed() < limit,
            "warren did not {what} within {limit:?}: {}",
            self.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }

    /// Returns the name of its worker.
    pub fn instance(&self) -> String {
        self.instance.clone().expect("a healthy worker")
    }

    /// Returns its worker's own health report.
    pub async fn worker_health(&self) -> Value {
        let worker = self.worker.as_ref().expect("a worker that listens");
        let answer = http::get(format!("{worker}/health")).await;
        answer.expect("the worker reports its health").body
    }

    /// Waits until its worker's health report is as it should be, and returns the report.
    pub async fn until_worker(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let health = self.worker_health().await;
            if is_so(&health) {
                return health;
            }
            assert!(started.elapsed() < SOON, "not {what}: {health:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until its worker runs a job.
    pub async fn until_a_job_runs(&self) {
        self.until_worker("running a job", |health| {
            let slots = health["services"]["slots"]["detail"].as_str();
            let mut numbers = slots
                .unwrap_or_default()
                .split(' ')
                .filter_map(|word| word.parse::<u32>().ok());
            numbers.next() < numbers.next()
        })
        .await;
    }

    /// Waits until its pool is full. Returns it, by language.
    pub async fn until_pool_is_full(&self) -> Value {
        let health = self.until_worker("a full pool", |health| {
            let shelves = health["pool"].as_object().expect("a pool");
            let full = |shelf: &Value| shelf["parked"] == shelf["size"] && shelf["starting"] == 0;
            !shelves.is_empty() && shelves.values().all(full)
        });
        health.await["pool"].clone()
    }

    /// Submits to its API.
    pub async fn submit(&self, submission: &Value) -> anyhow::Result<Answer> {
        http::submit(self.execute_url(), submission).await
    }

    /// Submits until the machine has time for the job; returns the answer to that.
    pub async fn judged(&self, submission: &Value) -> Answer {
        http::judged(&self.execute_url(), submission).await
    }

    /// Returns the address for submissions.
    pub fn execute_url(&self) -> String {
        match (&self.api, &self.worker) {
            (Some(api), _) => format!("{api}/api/rooms/tests/execute"),
            (None, Some(worker)) => format!("{worker}/execute"),
            (None, None) => panic!("warren is not listening yet"),
        }
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its exit status, if it has ended.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal("KILL");
        let _ = self.child.wait();
    }

    /// Waits until it has logged something.
    pub async fn until_logged(&self, what: &str) {
        let started = Instant::now();
        while !self.log().contains(what) {
            let waited = self.within(started, SOON, "log what was expected").await;
            waited.expect(what);
        }
    }

    /// Sends it a signal (`TERM`).
    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            anyhow::ensure!(
                started.elapsed() < SOON,
                "warren did not end within {SOON:?}: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Returns the binary under test: the one built beside the tests, or `WARREN_TEST_BINARY`, such as
/// a release build.
fn binary() -> OsString {
    std::env::var_os("WARREN_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_warren").into())
}

impl Drop for Warren {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.terminate();
            if self.wait().is_err() {
                self.kill();
            }
        }
        if std::thread::panicking() {
            eprintln!("the log of warren:\n{}", self.log());
        }
    }
}
