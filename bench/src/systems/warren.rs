//! Warren, measured through its API as its users see it.

use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::blocking::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use warren_protocol::contract::ExecuteResponse;

use super::{Sample, System, SystemName};
use crate::context::Bench;
use crate::process::Process;
use crate::setup::Setup;
use crate::workload::{Kind, Workload};

/// The room that jobs are submitted to.
const ROOM: &str = "bench";
/// The longest wait for an answer: the contract's five seconds, and a margin for the network.
const ANSWER: Duration = Duration::from_secs(8);
/// The largest answer that is read.
const MAX_ANSWER: u64 = 4 << 20;

/// Warren's processes: API and worker, or both in one without a broker. Dropping it stops them, the
/// API first, because its last callers wait for the worker.
pub struct Server {
    api: Process,
    worker: Option<Process>,
}

impl Server {
    /// Starts them and waits until they are healthy.
    ///
    /// # Errors
    /// They cannot be started.
    pub fn start(bench: &Bench, setup: &Setup) -> anyhow::Result<Self> {
        let client = warren_outbound::blocking_client(ANSWER)?;
        if setup.rabbitmq_url.is_none() {
            let api = Process::start(bench, &client, "up")?;
            return Ok(Self { api, worker: None });
        }
        let worker = Process::start(bench, &client, "worker")?;
        // Started last, it is healthy as soon as it sees the worker.
        let api = Process::start(bench, &client, "api")?;
        Ok(Self {
            api,
            worker: Some(worker),
        })
    }

    /// Stops them in order.
    ///
    /// # Errors
    /// One of them did not stop cleanly.
    pub fn stop(self) -> anyhow::Result<()> {
        self.api.stop()?;
        self.worker.map_or(Ok(()), Process::stop)
    }

    /// Creates a client.
    pub fn client(&self) -> anyhow::Result<Warren> {
        let api = self.api.api().context("the API does not listen")?;
        Ok(Warren {
            client: warren_outbound::blocking_client(ANSWER)?,
            url: format!("{api}/api/rooms/{ROOM}/execute"),
        })
    }
}

/// A client of Warren.
pub struct Warren {
    client: Client,
    url: String,
}

impl System for Warren {
    fn name(&self) -> SystemName {
        SystemName::Warren
    }

    fn run(&self, job: &Workload) -> anyhow::Result<Sample> {
        let request = serde_json::to_vec(&body(job))?;
        let begun = Instant::now();
        let answer = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(request)
            .send()
            .context("no answer")?;
        let status = answer.status();
        let mut text = Vec::new();
        answer
            .take(MAX_ANSWER)
            .read_to_end(&mut text)
            .context("the answer broke off")?;
        let took = begun.elapsed();
        if !status.is_success() {
            let problem: Value = serde_json::from_slice(&text).unwrap_or_default();
            bail!("{status}: {}", problem["error"]["message"]);
        }
        let answer: ExecuteResponse =
            serde_json::from_slice(&text).context("the answer is not of the contract")?;
        ensure!(answer.success, "the job ended in {:?}", answer.status);
        let printed = match job.kind {
            Kind::TenCases => {
                answer.test_results.len() == job.runs.len()
                    && answer.test_results.iter().all(|case| case.passed)
            }
            Kind::Hello | Kind::Cpu => job.runs.iter().all(|run| run.expected == answer.stdout),
        };
        ensure!(printed, "its output is not the expected one");
        Ok(Sample {
            took,
            timings: Some(answer.timings),
        })
    }
}

fn body(job: &Workload) -> Value {
    match job.kind {
        Kind::TenCases => {
            let cases = job
                .runs
                .iter()
                .map(|run| json!({ "input": run.input, "expectedOutput": run.expected }));
            json!({ "language": job.language, "code": job.code, "testCases": cases.collect::<Vec<_>>() })
        }
        Kind::Hello | Kind::Cpu => json!({ "language": job.language, "code": job.code }),
    }
}
