//! Fallback: a backend besides the queue, behind a breaker and bounded in jobs.
//!
//! Its jobs are completed even if the caller's time is over first, so that the result can be read
//! later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{timeout, timeout_at};
use tracing::Instrument;
use warren_protocol::health::{ServiceHealth, State};
use warren_protocol::job::Job;
use warren_protocol::outcome::Outcome;
use warren_protocol::reply::{FailureCode, JobFailure, Reply};
use warren_protocol::time::fractional_millis;

use super::breaker::{Breaker, BreakerState, Trial};
use super::fault::{Blame, Fault};
use super::{BackendName, DispatchError};
use crate::history::Recorder;
use crate::store::{End, Execution};
use crate::sync::Lock;
use warren_http::Budget;

/// The least time left with which a fallback is tried.
const WORTHWHILE: Duration = Duration::from_millis(400);
/// The longest that a job may take there if its own bound fails.
const LATEST: Duration = Duration::from_secs(30);

/// A service that runs jobs over HTTP.
pub(super) trait Remote: Send + Sync + 'static {
    /// Returns its name.
    fn name(&self) -> BackendName;

    /// Returns the most jobs that it is sent at a time.
    fn max_jobs(&self) -> usize;

    /// Runs the job. Bounded in time, though not by the caller's.
    fn run<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Outcome, Fault>>;

    /// Checks its health, as cheaply as possible.
    fn check(&self) -> BoxFuture<'_, Result<Checked, Fault>>;
}

/// The result of a check.
pub(super) struct Checked {
    /// The latency of this check, or of a recent one.
    pub(super) latency: Option<Duration>,
    /// A detail for operators.
    pub(super) detail: String,
}

/// A backend besides the queue.
pub(crate) struct Fallback {
    remote: Arc<dyn Remote>,
    permits: Arc<Semaphore>,
    breaker: Arc<Lock<Breaker>>,
}

impl Fallback {
    pub(super) fn new(remote: impl Remote) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(remote.max_jobs())),
            remote: Arc::new(remote),
            breaker: Arc::new(Lock::new(Breaker::new())),
        }
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> BackendName {
        self.remote.name()
    }

    /// Returns the state of its breaker.
    pub(crate) fn breaker_state(&self) -> BreakerState {
        self.breaker.lock().state(now())
    }

    /// Returns whether it would take a job now.
    pub(super) fn is_open_to_jobs(&self) -> bool {
        self.permits.available_permits() > 0
            && !matches!(self.breaker_state(), BreakerState::Open { .. })
    }

    /// Runs the job, and waits for its result until the budget is over.
    pub(super) async fn run(
        &self,
        job: &Job,
        budget: Budget,
        recorder: &Arc<Recorder>,
    ) -> Result<Reply, DispatchError> {
        if budget.left() < WORTHWHILE {
            let refused = Fault::refused("no_time_left", "There was no time left to ask it.");
            return Err(refused.into());
        }
        let (permit, guard) = self.enter()?;
        let (remote, recorder) = (Arc::clone(&self.remote), Arc::clone(recorder));
        let (sender, mut receiver) = oneshot::channel();
        let job = job.clone();
        let task = async move {
            let _permit = permit;
            let result = see_through(&*remote, &job).await;
            guard.report(&result);
            let reply = result.map(|outcome| Reply::new(job.id, Ok(outcome)));
            if let Err(late) = sender.send(reply) {
                recorder.record(late_record(&job, late));
            }
        };
        let hang_up = HangUp(Some(tokio::spawn(task.in_current_span()).abort_handle()));
        let reply = match timeout_at(budget.answer_by(), &mut receiver).await {
            Ok(reply) => reply.ok(),
            Err(_elapsed) => {
                // The result may have arrived just now. A later one is recorded.
                receiver.close();
                match receiver.try_recv() {
                    Ok(reply) => Some(reply),
                    Err(_none) => {
                        hang_up.stay();
                        return Err(DispatchError::TimedOut);
                    }
                }
            }
        };
        hang_up.stay();
        let gone = || Fault::failed("internal_error", "It was given up because of a bug.");
        Ok(reply.unwrap_or_else(|| Err(gone()))?)
    }

    fn enter(&self) -> Result<(OwnedSemaphorePermit, TrialGuard), Fault> {
        let name = self.name();
        let busy = |_full| {
            let message = format!("As many jobs as may are at {name} already.");
            Fault::refused("fallback_busy", message)
        };
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(busy)?;
        let trial = self.breaker.lock().ask(now());
        let trial = trial.map_err(|state| left_alone(name, &state))?;
        let guard = TrialGuard {
            breaker: Arc::clone(&self.breaker),
            trial: Some(trial),
            name,
        };
        Ok((permit, guard))
    }

    /// Checks its health within `bound`. A fallback whose breaker is open is not asked: it is down.
    /// A check that takes longer goes on, so that its result is known next time.
    pub(crate) async fn health(&self, bound: Duration) -> ServiceHealth {
        let report = |status, latency: Option<Duration>, detail| ServiceHealth {
            status,
            latency_ms: latency.map(fractional_millis),
            detail: Some(detail),
        };
        let guard = match self.breaker_state() {
            BreakerState::HalfOpen { reason } => {
                let detail = format!("the next job tries it again; before: {reason}");
                return report(State::Degraded, None, detail);
            }
            state @ BreakerState::Open { .. } => {
                return report(State::Down, None, left_alone(self.name(), &state).message);
            }
            BreakerState::Closed => self.enter(),
        };
        let Ok((permit, guard)) = guard else {
            return report(State::Ok, None, "as busy as it may be".to_owned());
        };
        let remote = Arc::clone(&self.remote);
        let check = tokio::spawn(async move {
            let _permit = permit;
            let checked = remote.check().await;
            guard.report(&checked);
            checked
        });
        match timeout(bound, check).await {
            Ok(Ok(Ok(checked))) => report(State::Ok, checked.latency, checked.detail),
            Ok(Ok(Err(fault))) => report(State::Down, None, fault.message),
            Ok(Err(_)) | Err(_) => report(State::Degraded, None, "has not answered yet".to_owned()),
        }
    }
}

async fn see_through(remote: &dyn Remote, job: &Job) -> Result<Outcome, Fault> {
    let run = timeout(LATEST, remote.run(job)).await;
    run.unwrap_or_else(|_elapsed| {
        Err(Fault::failed("fallback_timeout", "It took too long.").of_backend(None))
    })
}

fn left_alone(name: BackendName, state: &BreakerState) -> Fault {
    let message = match state {
        BreakerState::Open { left, reason } => format!(
            "{name} is left alone for another {} s: {reason}",
            left.as_secs() + 1
        ),
        BreakerState::HalfOpen { reason } => {
            format!("One job is trying {name} again, which failed before: {reason}")
        }
        BreakerState::Closed => format!("{name} is used."),
    };
    Fault::refused("fallback_suspended", message)
}

/// Builds the record of a job whose caller was answered 504.
fn late_record(job: &Job, late: Result<Reply, Fault>) -> Execution {
    match late {
        Ok(reply) => Execution::of_unclaimed(reply.about(job.clone())),
        Err(fault) => {
            let failure = JobFailure {
                code: FailureCode::SandboxUnavailable,
                message: fault.message,
            };
            Execution::of(job, End::Failed(failure))
        }
    }
}

/// Aborts the work when it is dropped, which happens when the caller hangs up.
struct HangUp(Option<AbortHandle>);

impl HangUp {
    /// Lets the work go on, if there is any left, because the caller is about to be answered.
    fn stay(mut self) {
        self.0 = None;
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work.abort();
            tracing::info!("the caller hung up");
        }
    }
}

/// A trial of the breaker. Its end is reported whatever happens.
struct TrialGuard {
    breaker: Arc<Lock<Breaker>>,
    trial: Option<Trial>,
    name: BackendName,
}

impl TrialGuard {
    fn report<T>(mut self, result: &Result<T, Fault>) {
        let Some(trial) = self.trial.take() else {
            return;
        };
        let mut breaker = self.breaker.lock();
        match result {
            Err(fault) => match fault.blame {
                Blame::Backend { wish } => {
                    breaker.failed(trial, now(), wish, &fault.message);
                    tracing::warn!(backend = %self.name, reason = %fault, "fallback failed; not using it for a while");
                }
                Blame::Job => breaker.succeeded(trial),
            },
            Ok(_) => breaker.succeeded(trial),
        }
    }
}

impl Drop for TrialGuard {
    fn drop(&mut self) {
        if let Some(trial) = self.trial.take() {
            self.breaker.lock().abandoned(trial, now());
        }
    }
}

/// Returns the time of the runtime's clock, which tests can set.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
