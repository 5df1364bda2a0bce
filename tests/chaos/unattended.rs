//! Submits unattended jobs from the test's own process.

use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};
use warren_languages::{Languages, PolicyMode};
use warren_protocol::contract::ExecuteRequest;
use warren_protocol::ids::{InstanceId, JobId};
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::submission::Submission;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, QueueLink, RabbitApi, RabbitConfig};

use super::journal::{Broken, Journal, Violation};
use super::ledger::{Ledger, Unattended};
use super::program::Program;

/// The longest that such a job may wait until it is begun; longer than any fault.
const DEADLINE: Duration = Duration::from_secs(600);
/// The bound that submitting has anyway, with a margin.
const SUBMIT: Duration = Duration::from_secs(30);

/// An API's end of the queue, without the API.
pub struct Submitter {
    queue: RabbitApi,
    languages: Languages,
    _stop: DropGuard,
}

impl Submitter {
    /// Connects to the broker at `url`.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let config = RabbitConfig::new(url, InstanceId::new("chaos"))?;
        Ok(Self {
            queue: RabbitApi::new(config, &stop),
            languages: Languages::embedded(),
            _stop: stop.drop_guard(),
        })
    }

    /// Submits, and records whether the job was accepted.
    pub async fn submit(&self, program: Program, ledger: &Ledger, journal: &Journal) {
        let job = match self.job(&program) {
            Ok(job) => job,
            Err(error) => return journal.violated(Broken::Wrong, format!("{error:#}")),
        };
        let sent = Instant::now();
        let submitted = tokio::time::timeout(SUBMIT, self.queue.submit_unattended(&job)).await;
        match submitted {
            Ok(Ok(())) => ledger.accepted(Unattended {
                job: job.id.to_string(),
                expected: program.expected,
            }),
            Ok(Err(error)) => ledger.refused(error.to_string()),
            Err(_elapsed) => journal.violation(Violation {
                broken: Broken::TooLate,
                what: format!("an unattended job was neither taken nor refused in {SUBMIT:?}"),
                job: Some(JobId::to_string(&job.id)),
                from: sent,
                to: Instant::now(),
            }),
        }
    }

    /// Disconnects from the broker.
    pub async fn close(&self) {
        self.queue.close(SUBMIT).await;
    }

    fn job(&self, program: &Program) -> anyhow::Result<Job> {
        let body = program.submission.to_string();
        let request = ExecuteRequest::from_json(body.as_bytes())?;
        let submission = Submission::parse(request, &self.languages, PolicyMode::Enforce)?;
        let deadline = Deadline::after(DEADLINE);
        Ok(Job::new(
            "chaos".parse()?,
            submission,
            Limits::default(),
            deadline,
        ))
    }
}
