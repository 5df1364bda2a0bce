//! Runs one job, from its container to its outcome.
//!
//! Leases a sandbox, has PID 1 in it run the program, and concludes the verdicts.

use std::time::{Duration, Instant};

use tracing::Instrument;
use warren_languages::{Language, Languages};
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::outcome::{EngineName, Outcome, Timings};
use warren_protocol::reply::{FailureCode, JobFailure};
use warren_protocol::submission::OnFailure;
use warren_protocol::time::EpochMillis;
use warren_queue::JobClass;
use warren_runner::wire::{Execute, Pace};

use super::judge::Judge;
use super::last_resort;
use super::stages::Stages;
use crate::metrics::{JobMetrics, RetryCause};
use crate::readiness::Readiness;
use crate::sandbox::{Lease, Pool, Reported, Source, command};
use crate::{Error, Result};

/// The part of the deadline that is kept for the reply's way back.
const REPLY_RESERVE: Duration = Duration::from_millis(100);
/// The part of it that is kept to answer that there will be no verdict.
const ANSWER_RESERVE: Duration = Duration::from_millis(150);
/// With less time left than this, a failed container start is not retried.
const RETRY_WORTHWHILE: Duration = Duration::from_secs(1);

/// An executor of jobs, each in a container of its own.
pub(crate) struct Executor {
    pool: Pool,
    metrics: JobMetrics,
    languages: Languages,
    instance: InstanceId,
    engine: EngineName,
    readiness: Readiness,
}

impl Executor {
    /// Creates an executor of `languages` in containers of `pool`, which that engine makes.
    pub(crate) fn new(
        pool: Pool,
        metrics: JobMetrics,
        languages: Languages,
        instance: InstanceId,
        engine: EngineName,
        readiness: Readiness,
    ) -> Self {
        Self {
            pool,
            metrics,
            languages,
            instance,
            engine,
            readiness,
        }
    }

    /// Returns this worker's name.
    pub(crate) fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Returns the counters of jobs.
    pub(crate) fn metrics(&self) -> &JobMetrics {
        &self.metrics
    }

    /// Runs a job, by its deadline at the latest. Dropping the run kills and removes its container.
    ///
    /// # Errors
    /// Warren failed, not the program. The container, if there was one, is being removed.
    pub(crate) async fn execute(&self, job: &Job, class: JobClass) -> Result<Outcome, JobFailure> {
        tracing::info!("begun");
        let timer = self.metrics.begin(job);
        let result = tokio::select! {
            result = self.try_twice(job, class) => result,
            () = self.hopeless(job) => Err(Error::EngineSilent),
        };
        let language = job.submission.language();
        match &result {
            Ok(_) => self.readiness.ran(language),
            Err(Error::UnknownLanguage(_) | Error::DeadlinePassed) => {}
            Err(_) => self.readiness.failed(language),
        }
        let result = result.map_err(|error| {
            tracing::error!(%error, "failed to run the job; its caller gets an error");
            failure(&error)
        });
        timer.end(&result);
        result
    }

    /// Runs a canary, which no metric counts.
    ///
    /// # Errors
    /// Its language cannot be run now.
    pub(crate) async fn try_out(&self, job: &Job) -> Result<Outcome> {
        self.try_once(job, Source::Canary).await
    }

    /// Runs a job. If its sandbox fails in a way that another may not, retries once.
    async fn try_twice(&self, job: &Job, class: JobClass) -> Result<Outcome> {
        let source = match class {
            JobClass::Interactive => Source::Pool,
            JobClass::Unattended => Source::Engine,
        };
        match self.try_once(job, source).await {
            Err(error)
                if is_worth_retrying(&error) && job.deadline.remaining() > RETRY_WORTHWHILE =>
            {
                tracing::warn!(%error, "the sandbox failed; retrying with another");
                self.metrics.count_retry(RetryCause::Sandbox);
                self.try_once(job, Source::Engine).await
            }
            result => result,
        }
    }

    /// Resolves once the deadline is near *and* the engine has stopped responding. A late result
    /// from a healthy engine is still worth recording; an unresponsive engine may never deliver
    /// one.
    async fn hopeless(&self, job: &Job) {
        let left = job.deadline.remaining();
        tokio::time::sleep(left.saturating_sub(ANSWER_RESERVE)).await;
        self.readiness.silence().await;
    }

    /// Leases containers until one takes the job. Each round removes a dead one from the pool, and
    /// the deadline ends it anyway.
    async fn try_once(&self, job: &Job, source: Source) -> Result<Outcome> {
        let attempt = self.attempt(job, source)?;
        loop {
            let mut lease = self.lease(&attempt).await?;
            if let Some(ran) = self.speak(&attempt, &mut lease).await? {
                return self.conclude(&attempt, lease, ran);
            }
        }
    }

    fn attempt<'a>(&'a self, job: &'a Job, source: Source) -> Result<Attempt<'a>> {
        let name = job.submission.language();
        let language = self.languages.get(name.as_str());
        Ok(Attempt {
            job,
            language: language.ok_or_else(|| Error::UnknownLanguage(name.to_string()))?,
            source,
            stages: Stages::new(job, source),
            begun: Instant::now(),
            queued: EpochMillis::now().since(job.submitted_at),
        })
    }

    /// Leases a container for the attempt.
    async fn lease(&self, attempt: &Attempt<'_>) -> Result<Lease> {
        let span = attempt.stages.sandbox();
        let leasing = self.pool.lease(attempt.job, attempt.source);
        let lease = leasing.instrument(span.clone()).await?;
        let container = lease.conversation.container().to_string();
        warren_telemetry::note(&span, "container.id", container);
        Ok(lease)
    }

    /// Hands the job over to PID 1 and judges each run as it is reported. Returns `None` if the
    /// container had died unnoticed while it was parked: the program was not let go, and another
    /// container may have the job.
    async fn speak<'a>(&self, attempt: &Attempt<'a>, lease: &mut Lease) -> Result<Option<Ran<'a>>> {
        let execute = attempt.message(lease)?;
        let mut ran = Ran {
            judge: Judge::new(&attempt.job.submission),
            sandbox: attempt.begun.elapsed(),
            ending: Finish::Reported,
        };
        let mut runs = attempt.stages.runs();
        let mut accounted = Duration::ZERO;
        let report = |report: Reported| {
            accounted += report.as_ref().map_or(Duration::ZERO, |run| run.cpu);
            let next = ran.judge.next(report);
            runs.over(next);
            next
        };
        let Err(error) = lease.conversation.execute(execute, report).await else {
            return Ok(Some(ran));
        };
        let language = attempt.language.name();
        if lease.is_unused() {
            tracing::warn!(%error, "a parked container failed before its job; the job gets another");
            self.pool.was_lost(lease, language);
            return Ok(None);
        }
        let Some(awaited) = lease.conversation.awaited() else {
            return Err(error);
        };
        let what = error.to_string();
        let (handle, limits) = (lease.conversation.handle(), &attempt.job.limits);
        let concluded = last_resort::conclude(error, awaited, handle, limits, accounted).await;
        let reported = concluded.inspect_err(|_| self.pool.was_lost(lease, language))?;
        tracing::warn!(instead = %what, "PID 1 did not report a run, so the worker judges it");
        ran.judge.next(reported);
        ran.ending = Finish::LastResort;
        Ok(Some(ran))
    }

    /// Gives the container back and makes an outcome of the verdicts.
    fn conclude(&self, attempt: &Attempt<'_>, lease: Lease, ran: Ran<'_>) -> Result<Outcome> {
        let image = lease.conversation.image().to_owned();
        let timings = Timings {
            queue: attempt.queued,
            sandbox: ran.sandbox,
            run: attempt.begun.elapsed().saturating_sub(ran.sandbox),
        };
        match ran.ending {
            Finish::Reported => self.pool.dismiss(lease),
            // It may still burn what it was given: not a moment longer.
            Finish::LastResort => drop(lease),
        }
        let (main, cases) = ran.judge.finish()?;
        Ok(Outcome {
            main,
            cases,
            timings,
            finished_at: EpochMillis::now(),
            worker: self.instance.clone(),
            image,
            engine: self.engine,
        })
    }
}

/// One attempt at a job.
struct Attempt<'a> {
    job: &'a Job,
    language: &'a Language,
    source: Source,
    stages: Stages<'a>,
    begun: Instant,
    /// The job's time in the queue.
    queued: Duration,
}

/// The runs of a job whose container has sent its last frame.
struct Ran<'a> {
    judge: Judge<'a>,
    /// The time until the job had its sandbox.
    sandbox: Duration,
    ending: Finish,
}

/// The source of a job's last verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    /// PID 1 reported it.
    Reported,
    /// The worker concluded it, without PID 1.
    LastResort,
}

impl Attempt<'_> {
    /// Returns the message that hands the job to PID 1. Its budget is the time that is left now.
    ///
    /// # Errors
    /// None is left.
    fn message(&self, lease: &Lease) -> Result<Execute> {
        let (job, submission) = (self.job, &self.job.submission);
        let budget = job.deadline.remaining().saturating_sub(REPLY_RESERVE);
        if budget.is_zero() {
            return Err(Error::DeadlinePassed);
        }
        Ok(Execute {
            command: command(self.language, &job.limits),
            start: lease.start(self.language, submission.code()),
            pace: match submission.on_failure() {
                OnFailure::GoOn => Pace::Through,
                // The next run depends on the verdict, which the container does not know.
                OnFailure::Stop => Pace::Stepwise,
            },
            code: submission.code().as_bytes().to_vec(),
            inputs: submission
                .inputs()
                .map(|input| input.as_bytes().to_vec())
                .collect(),
            time_limit: job.limits.time,
            budget,
            output_kept: job.limits.output_kept.get(),
            output_flood: job.limits.output_flood.get(),
        })
    }
}

/// Returns whether another container may succeed.
fn is_worth_retrying(error: &Error) -> bool {
    !matches!(
        error,
        Error::UnknownLanguage(_)
            | Error::ImageMissing { .. }
            | Error::LimitsNotEnforced(_)
            | Error::NoTemplate { .. }
            | Error::DeadlinePassed
            | Error::EngineSilent
    )
}

fn failure(error: &Error) -> JobFailure {
    let code = match error {
        Error::UnknownLanguage(_) => FailureCode::UnsupportedJob,
        Error::DeadlinePassed => FailureCode::DeadlinePassed,
        _ => FailureCode::SandboxUnavailable,
    };
    JobFailure {
        code,
        message: error.to_string(),
    }
}
