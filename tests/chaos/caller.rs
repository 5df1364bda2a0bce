//! Callers at a fixed rate, with each answer held to the contract.
//!
//! They keep sending, whatever the answers are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::journal::{Broken, Journal, Violation};
use super::ledger::{End, Entry, Ledger, Run};
use super::post::Life;
use super::program::Program;
use super::site::Site;
use super::unattended::Submitter;
use crate::harness::http::{self, Answer};

/// The time within which every request is answered.
const ANSWER: Duration = Duration::from_millis(5_500);
/// The most requests under way: far more than the rate times the answers' time.
const UNDER_WAY: usize = 450;

/// A group of callers that send at a fixed rate.
pub struct Callers {
    pub site: Arc<Site>,
    pub ledger: Arc<Ledger>,
    pub journal: Arc<Journal>,
    /// Requests per second.
    pub rate: u32,
    /// The function that makes the next program.
    pub programs: fn(u32, &mut fastrand::Rng) -> Program,
    /// The submitter of unattended jobs, and the share that it takes: one in so many.
    pub unattended: Option<(Submitter, u32)>,
    /// The number of requests sent.
    pub sent: AtomicU32,
}

impl Callers {
    /// Sends until `enough`, then waits for the last answer.
    pub async fn call(self: Arc<Self>, mut random: fastrand::Rng, enough: CancellationToken) {
        let under_way = Arc::new(Semaphore::new(UNDER_WAY));
        let answers = TaskTracker::new();
        let mut next = tokio::time::Instant::now();
        while !enough.is_cancelled() {
            // By the clock and not by the answers; a little early or late, so that no two faults
            // hit the same moment of a request.
            next += Duration::from_secs_f64(random.f64() * 2.0 / f64::from(self.rate));
            tokio::time::sleep_until(next).await;
            let Ok(place) = Arc::clone(&under_way).try_acquire_owned() else {
                self.journal.violated(
                    Broken::TooLate,
                    format!("{UNDER_WAY} requests without an answer"),
                );
                tokio::time::sleep(ANSWER).await;
                next = tokio::time::Instant::now();
                continue;
            };
            let n = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
            let program = (self.programs)(n, &mut random);
            let unattended = self.unattended.as_ref();
            if unattended.is_some_and(|(_, every)| n.is_multiple_of(*every)) {
                let this = Arc::clone(&self);
                answers.spawn(async move {
                    if let Some((submitter, _)) = &this.unattended {
                        submitter.submit(program, &this.ledger, &this.journal).await;
                    }
                    drop(place);
                });
                continue;
            }
            let Some(api) = self.site.api(&mut random) else {
                self.journal
                    .violated(Broken::Process, "no API takes requests");
                continue;
            };
            let this = Arc::clone(&self);
            answers.spawn(async move {
                this.request(program, api).await;
                drop(place);
            });
        }
        answers.close();
        answers.wait().await;
    }

    async fn request(&self, program: Program, api: Arc<Life>) {
        let sent = Instant::now();
        let answer = http::submit(api.url.clone(), &program.submission).await;
        let answered = Instant::now();
        let (job, took) = match &answer {
            Ok(answer) => (answer.job_id.clone(), answer.took),
            Err(_) => (None, answered - sent),
        };
        let end = judge(&answer, &program, &api).unwrap_or_else(|what| {
            self.journal.violation(Violation {
                broken: Broken::Wrong,
                what: format!("{}: {what}", api.name),
                job: job.clone(),
                from: sent,
                to: answered,
            });
            End::Violation
        });
        if took > ANSWER {
            self.journal.violation(Violation {
                broken: Broken::TooLate,
                what: format!("{}: answered after {took:?}: {end:?}", api.name),
                job: job.clone(),
                from: sent,
                to: answered,
            });
        }
        self.ledger.answered(Entry {
            job,
            expected: program.expected,
            sent,
            answered,
            took,
            end,
            api,
        });
    }
}

/// Classifies an answer by the contract, or returns what is wrong with it.
fn judge(answer: &anyhow::Result<Answer>, program: &Program, api: &Life) -> Result<End, String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(_) if api.was_killed() => return Ok(End::ServerKilled),
        // Sent at the moment at which the API left, and never accepted.
        Err(error) if api.is_leaving() && was_refused(error) => return Ok(End::ServerKilled),
        Err(error) => return Err(format!("no answer: {error:#}")),
    };
    let body = &answer.body;
    if answer.status == 200 {
        if let Some(fault) = program.expected.fault_of(body) {
            return Err(format!("wrong answer: {fault}"));
        }
        let run = Run::of(body).ok_or("an answer without worker or executionTime")?;
        if body["jobId"].as_str() != answer.job_id.as_deref() {
            return Err("jobId and x-job-id differ".to_owned());
        }
        return Ok(End::Verdict(run));
    }
    let code = answer.error_code();
    let details = &body["error"]["details"];
    let explained = !code.is_empty() && !body["error"]["message"].is_null();
    let named = details["jobId"].is_string();
    let allowed = match answer.status {
        503 => answer.retry_after.is_some(),
        504 => named,
        500 => named && code == "worker_crashed",
        429 => true,
        _ => false,
    };
    if !(explained && allowed) {
        return Err(format!(
            "an answer that may not be: {} {:.300}",
            answer.status, answer.raw
        ));
    }
    Ok(End::Error {
        code: format!("{} {code}", answer.status),
        result_may_come: details["resultUrl"].is_string(),
    })
}

fn was_refused(error: &anyhow::Error) -> bool {
    let refused = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    error.chain().any(refused)
}

impl Run {
    /// Returns the run that an answer or a record's `result` is of.
    pub fn of(answer: &serde_json::Value) -> Option<Self> {
        Some(Self {
            worker: answer["worker"].as_str()?.to_owned(),
            finished_at: answer["executionTime"].as_u64()?,
        })
    }
}
