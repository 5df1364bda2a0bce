//! Has the runs that share one sandbox done, from its lease to their last verdict.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument;

use super::execute::{Attempt, Executor};
use super::judge::Judge;
use super::{last_resort, plan};
use crate::metrics::RetryCause;
use crate::sandbox::{Lease, Reported, Source};
use crate::{Error, Result};

/// With less time left than this, a failed container start is not retried.
const RETRY_WORTHWHILE: Duration = Duration::from_secs(1);

/// The judge of a job, which the job's sandboxes share.
pub(super) type SharedJudge<'a> = Mutex<Judge<'a>>;

/// Locks the judge for one report.
pub(super) fn lock<'l, 'a>(judge: &'l SharedJudge<'a>) -> MutexGuard<'l, Judge<'a>> {
    judge.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The facts about a sandbox that has done its runs.
pub(super) struct Sandboxed {
    /// The time from the job's beginning until it had this sandbox.
    pub(super) after: Duration,
    /// The base image that it was made from.
    pub(super) image: String,
}

/// The source of a sandbox's last verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    /// PID 1 reported it.
    Reported,
    /// The worker concluded it, without PID 1.
    LastResort,
}

impl Executor {
    /// Has these runs done in one sandbox. If it fails in a way that another may not, retries once.
    /// Returns `None` if the job's time was over before they could begin, and other runs had begun:
    /// then they count as not run.
    ///
    /// # Errors
    /// Warren failed, not the program.
    pub(super) async fn run_in_one(
        &self,
        attempt: &Attempt<'_>,
        runs: &Range<usize>,
        judge: &SharedJudge<'_>,
    ) -> Result<Option<Sandboxed>> {
        let ran = match self.try_once(attempt, runs, attempt.source, judge).await {
            Err(error) if is_worth_retrying(&error, attempt) => {
                tracing::warn!(%error, "the sandbox failed; retrying with another");
                self.metrics.count_retry(RetryCause::Sandbox);
                lock(judge).forget(runs.clone());
                self.try_once(attempt, runs, Source::Engine, judge).await
            }
            ran => ran,
        };
        match ran {
            Ok(ran) => Ok(Some(ran)),
            Err(Error::DeadlinePassed) if runs.start > 0 => {
                let mut judge = lock(judge);
                for run in runs.clone() {
                    judge.next(run, None);
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Leases containers until one takes the runs. Each round removes a dead one from the pool, and
    /// the deadline ends it anyway.
    async fn try_once(
        &self,
        attempt: &Attempt<'_>,
        runs: &Range<usize>,
        source: Source,
        judge: &SharedJudge<'_>,
    ) -> Result<Sandboxed> {
        loop {
            let mut lease = self.lease(attempt, runs, source).await?;
            let after = attempt.begun.elapsed();
            let image = lease.conversation.image().to_owned();
            match self.speak(attempt, runs, &mut lease, judge).await? {
                None => continue,
                Some(Finish::Reported) => self.pool.dismiss(lease),
                // It may still burn what it was given: not a moment longer.
                Some(Finish::LastResort) => drop(lease),
            }
            return Ok(Sandboxed { after, image });
        }
    }

    /// Leases a container for these runs.
    async fn lease(
        &self,
        attempt: &Attempt<'_>,
        runs: &Range<usize>,
        source: Source,
    ) -> Result<Lease> {
        let span = attempt.stages.sandbox();
        let leasing = self.pool.lease(attempt.job, source);
        let leasing = leasing.instrument(span.clone());
        let lease = if runs.start == 0 {
            leasing.await?
        } else {
            // What other runs came to must not wait for a container that comes too late.
            let leased = timeout(attempt.budget()?, leasing).await;
            leased.map_err(|_elapsed| Error::DeadlinePassed)??
        };
        let container = lease.conversation.container().to_string();
        warren_telemetry::note(&span, "container.id", container);
        Ok(lease)
    }

    /// Hands the runs over to PID 1 and judges each as it is reported. Returns `None` if the container
    /// had died unnoticed while it was parked: the program was not let go, and another container may
    /// have the runs.
    async fn speak(
        &self,
        attempt: &Attempt<'_>,
        runs: &Range<usize>,
        lease: &mut Lease,
        judge: &SharedJudge<'_>,
    ) -> Result<Option<Finish>> {
        let Attempt { job, language, .. } = attempt;
        let budget = attempt.budget()?;
        let start = lease.start(language, job.submission.code());
        let orders = plan::orders(job, language, runs, start, budget);
        let mut spans = attempt.stages.runs(runs.clone());
        let (mut accounted, mut next_run) = (Duration::ZERO, runs.start);
        let report = |report: Reported| {
            accounted += report.as_ref().map_or(Duration::ZERO, |run| run.cpu);
            let next = lock(judge).next(next_run, report);
            next_run += 1;
            spans.over(next);
            next
        };
        let Err(error) = lease.conversation.execute(orders, report).await else {
            return Ok(Some(Finish::Reported));
        };
        let language = language.name();
        if lease.is_unused() {
            tracing::warn!(%error, "a parked container failed before its job; the job gets another");
            self.pool.was_lost(lease, language);
            return Ok(None);
        }
        let Some(awaited) = lease.conversation.awaited() else {
            return Err(error);
        };
        let what = error.to_string();
        let (handle, limits) = (lease.conversation.handle(), &job.limits);
        let concluded = last_resort::conclude(error, awaited, handle, limits, accounted).await;
        let reported = concluded.inspect_err(|_| self.pool.was_lost(lease, language))?;
        tracing::warn!(instead = %what, "PID 1 did not report a run, so the worker judges it");
        lock(judge).next(next_run, reported);
        Ok(Some(Finish::LastResort))
    }
}

/// Returns whether another container may succeed, and in time.
fn is_worth_retrying(error: &Error, attempt: &Attempt<'_>) -> bool {
    let is_certain = matches!(
        error,
        Error::UnknownLanguage(_)
            | Error::ImageMissing { .. }
            | Error::LimitsNotEnforced(_)
            | Error::NoTemplate { .. }
            | Error::DeadlinePassed
            | Error::EngineSilent
    );
    // The next canary tells as much as another try of this one.
    let is_canary = attempt.source == Source::Canary;
    !is_certain && !is_canary && attempt.job.deadline.remaining() > RETRY_WORTHWHILE
}
