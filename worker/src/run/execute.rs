//! Runs one job, from its containers to its outcome.

use std::time::{Duration, Instant};

use warren_languages::{Language, Languages};
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::outcome::{EngineName, Outcome, Timings};
use warren_protocol::reply::{FailureCode, JobFailure};
use warren_protocol::time::EpochMillis;
use warren_queue::JobClass;

use super::stages::Stages;
use crate::engine::Isolation;
use crate::metrics::JobMetrics;
use crate::readiness::Readiness;
use crate::sandbox::{Pool, Source};
use crate::slots::spare::SpareSlots;
use crate::{Error, Result};

/// The part of the deadline that is kept for the reply's way back.
const REPLY_RESERVE: Duration = Duration::from_millis(100);
/// The part of it that is kept to answer that there will be no verdict.
const ANSWER_RESERVE: Duration = Duration::from_millis(150);

/// An executor of jobs, each in containers of its own.
pub(crate) struct Executor {
    pub(super) isolation: Isolation,
    pub(super) pool: Pool,
    pub(super) metrics: JobMetrics,
    languages: Languages,
    instance: InstanceId,
    engine: EngineName,
    readiness: Readiness,
}

impl Executor {
    /// Creates an executor of `languages` in containers of `pool`, which that engine makes.
    pub(crate) fn new(
        isolation: Isolation,
        pool: Pool,
        metrics: JobMetrics,
        languages: Languages,
        instance: InstanceId,
        engine: EngineName,
        readiness: Readiness,
    ) -> Self {
        Self {
            isolation,
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

    /// Runs a job on the slot that it has, by its deadline at the latest. If its runs have sandboxes of
    /// their own, further runs use slots of `spare`, while there are any. Dropping the run kills and
    /// removes its containers.
    ///
    /// # Errors
    /// Warren failed, not the program. The containers, if there were any, are being removed.
    pub(crate) async fn execute(
        &self,
        job: &Job,
        class: JobClass,
        spare: Option<&dyn SpareSlots>,
    ) -> Result<Outcome, JobFailure> {
        tracing::info!("begun");
        let timer = self.metrics.begin(job);
        let source = match class {
            JobClass::Interactive => Source::Pool,
            JobClass::Unattended => Source::Engine,
        };
        let result = tokio::select! {
            result = self.run(job, source, spare) => result,
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
        self.run(job, Source::Canary, None).await
    }

    /// Resolves once the deadline is near *and* the engine has stopped responding. A late result
    /// from a healthy engine is still worth recording; an unresponsive engine may never deliver
    /// one.
    async fn hopeless(&self, job: &Job) {
        let left = job.deadline.remaining();
        tokio::time::sleep(left.saturating_sub(ANSWER_RESERVE)).await;
        self.readiness.silence().await;
    }

    /// Runs a job and makes an outcome of the verdicts.
    async fn run(
        &self,
        job: &Job,
        source: Source,
        spare: Option<&dyn SpareSlots>,
    ) -> Result<Outcome> {
        let name = job.submission.language();
        let language = self.languages.get(name.as_str());
        let attempt = Attempt {
            job,
            language: language.ok_or_else(|| Error::UnknownLanguage(name.to_string()))?,
            source,
            stages: Stages::new(job, source),
            begun: Instant::now(),
        };
        let queued = EpochMillis::now().since(job.submitted_at);
        let done = self.run_all(&attempt, spare).await?;
        let timings = Timings {
            queue: queued,
            sandbox: done.sandbox,
            run: attempt.begun.elapsed().saturating_sub(done.sandbox),
        };
        let (main, cases) = done.judge.finish()?;
        Ok(Outcome {
            main,
            cases,
            timings,
            finished_at: EpochMillis::now(),
            worker: self.instance.clone(),
            image: done.image,
            engine: self.engine,
        })
    }
}

/// One attempt at a job.
pub(super) struct Attempt<'a> {
    pub(super) job: &'a Job,
    pub(super) language: &'a Language,
    /// The source of its first containers.
    pub(super) source: Source,
    pub(super) stages: Stages<'a>,
    pub(super) begun: Instant,
}

impl Attempt<'_> {
    /// Returns the time that is left for runs. It is one for all of them.
    ///
    /// # Errors
    /// None is left.
    pub(super) fn budget(&self) -> Result<Duration> {
        let budget = self.job.deadline.remaining().saturating_sub(REPLY_RESERVE);
        if budget.is_zero() {
            return Err(Error::DeadlinePassed);
        }
        Ok(budget)
    }
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
