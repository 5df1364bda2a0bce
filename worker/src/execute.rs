//! One job from its arrival at this worker to its outcome.

use std::time::{Duration, Instant};

use tracing::Instrument;
use warren_languages::{Language, Languages};
use warren_protocol::clip::clip;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::outcome::{CaseResult, EngineName, Outcome, Run, Timings};
use warren_protocol::reply::{FailureCode, JobFailure};
use warren_protocol::submission::OnFailure;
use warren_protocol::time::EpochMillis;
use warren_queue::JobClass;
use warren_runner::wire::{Ending, Execute, Exit, Pace, RunReport, Start, Stream};

use crate::conversation::died;
use crate::engine::Handle;
use crate::judge::Judge;
use crate::metrics::{Again, JobMetrics};
use crate::pool::{Pool, Source, command};
use crate::readiness::Readiness;
use crate::stages::Stages;
use crate::verdict::SIGKILL;
use crate::{Error, Result};

/// What is kept of the deadline for the reply's way back.
const REPLY_RESERVE: Duration = Duration::from_millis(100);
/// What is kept of it to say that there will be no verdict.
const ANSWER_RESERVE: Duration = Duration::from_millis(150);
/// With less than this left, a failed container start is not tried again.
const RETRY_WORTHWHILE: Duration = Duration::from_secs(1);

/// Runs jobs, each in a container of its own.
pub struct Executor {
    pool: Pool,
    metrics: JobMetrics,
    languages: Languages,
    instance: InstanceId,
    readiness: Readiness,
}

impl Executor {
    /// An executor of these languages in containers of this pool.
    #[must_use]
    pub(crate) fn new(
        pool: Pool,
        metrics: JobMetrics,
        languages: Languages,
        instance: InstanceId,
        readiness: Readiness,
    ) -> Self {
        Self {
            pool,
            metrics,
            languages,
            instance,
            readiness,
        }
    }

    /// What this worker calls itself.
    pub(crate) fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Runs a job, by its deadline at the latest. Dropped before, it has the container killed and
    /// removed.
    ///
    /// # Errors
    /// We failed, not the program. The container, if there was one, is on its way out.
    pub async fn execute(&self, job: &Job, class: JobClass) -> Result<Outcome, JobFailure> {
        tracing::info!("begun");
        let tally = self.metrics.begin(job);
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
            tracing::error!(%error, "the job could not be run");
            failure(&error)
        });
        tally.end(&result);
        result
    }

    /// Where jobs are counted.
    pub(crate) fn metrics(&self) -> &JobMetrics {
        &self.metrics
    }

    /// Runs a canary, which counts for nothing.
    ///
    /// # Errors
    /// Its language cannot be run now.
    pub(crate) async fn try_out(&self, job: &Job) -> Result<Outcome> {
        self.try_once(job, Source::Canary).await
    }

    async fn try_twice(&self, job: &Job, class: JobClass) -> Result<Outcome> {
        let source = match class {
            JobClass::Interactive => Source::Pool,
            JobClass::Unattended => Source::Engine,
        };
        match self.try_once(job, source).await {
            Err(error)
                if is_worth_retrying(&error) && job.deadline.remaining() > RETRY_WORTHWHILE =>
            {
                tracing::warn!(%error, "the sandbox failed; trying once more");
                self.metrics.again(Again::Sandbox);
                self.try_once(job, Source::Engine).await
            }
            result => result,
        }
    }

    /// Waits until there is hardly time left to answer and the engine is silent: what
    /// a healthy one reports late is still worth recording, a silent one's word may never come.
    async fn hopeless(&self, job: &Job) {
        let left = job.deadline.remaining();
        tokio::time::sleep(left.saturating_sub(ANSWER_RESERVE)).await;
        self.readiness.silence().await;
    }

    async fn try_once(&self, job: &Job, source: Source) -> Result<Outcome> {
        let name = job.submission.language();
        let language = self
            .languages
            .get(name.as_str())
            .ok_or_else(|| Error::UnknownLanguage(name.to_string()))?;
        let begun = Instant::now();
        let queue = EpochMillis::now().since(job.submitted_at);

        let (lease, judge, sandbox) = loop {
            let spans = Stages::new(job, source);
            let leasing = spans.sandbox();
            let leased = self.pool.lease(job, source).instrument(leasing.clone());
            let mut lease = leased.await?;
            let container = lease.conversation.container().to_string();
            warren_telemetry::note(&leasing, "container.id", container);
            drop(leasing);
            let start = lease.start(language, job.submission.code());
            let execute = execute(job, language, start)?;
            let sandbox = begun.elapsed();
            let mut judge = Judge::new(&job.submission);
            let mut runs = spans.runs();
            let report = |report| {
                let next = judge.next(report);
                runs.over(next);
                next
            };
            match lease.conversation.execute(execute, report).await {
                // It was dead and nobody had noticed; the program was not let go. Each time round
                // takes one out of the pool, and the deadline ends it anyway.
                Err(error) if lease.is_unspent() => {
                    tracing::warn!(%error, "a parked container failed before its job; the job gets another");
                    self.pool.was_lost(&lease, name);
                }
                Err(error) => {
                    let verdict = post_mortem(error, lease.conversation.handle()).await;
                    let verdict = verdict.inspect_err(|_| self.pool.was_lost(&lease, name))?;
                    judge.next(Some(verdict));
                    break (lease, judge, sandbox);
                }
                Ok(()) => break (lease, judge, sandbox),
            }
        };
        let image = lease.conversation.image().to_owned();
        let timings = Timings {
            queue,
            sandbox,
            run: begun.elapsed().saturating_sub(sandbox),
        };
        self.pool.dismiss(lease);
        Ok(self.outcome(judge.finish()?, timings, image))
    }

    fn outcome(
        &self,
        (main, cases): (Option<Run>, Vec<CaseResult>),
        timings: Timings,
        image: String,
    ) -> Outcome {
        let mut outcome = Outcome {
            main,
            cases,
            timings,
            finished_at: EpochMillis::now(),
            worker: self.instance.clone(),
            image,
            engine: EngineName::Docker,
        };
        clip(&mut outcome);
        outcome
    }
}

/// What PID 1 is told; its budget is what is left now.
fn execute(job: &Job, language: &Language, start: Start) -> Result<Execute> {
    let budget = job.deadline.remaining().saturating_sub(REPLY_RESERVE);
    if budget.is_zero() {
        return Err(Error::DeadlinePassed);
    }
    Ok(Execute {
        command: command(language, &job.limits),
        start,
        pace: match job.submission.on_failure() {
            OnFailure::GoOn => Pace::Through,
            // What comes next depends on the verdict, and the container does not know it.
            OnFailure::Stop => Pace::Stepwise,
        },
        code: job.submission.code().as_bytes().to_vec(),
        inputs: job
            .submission
            .inputs()
            .map(|input| input.as_bytes().to_vec())
            .collect(),
        time_limit: job.limits.time,
        budget,
        output_kept: job.limits.output_kept.get(),
        output_flood: job.limits.output_flood.get(),
    })
}

/// A program that takes so much memory so fast that the kernel kills PID 1 as well has its
/// verdict all the same. Every other end of a container before its verdict is our failure.
async fn post_mortem(error: Error, handle: &dyn Handle) -> Result<RunReport> {
    let Error::ContainerDied(_) = error else {
        return Err(error);
    };
    match handle.death().await {
        Some(death) if death.out_of_memory => Ok(RunReport {
            ending: Ending::MemoryLimit(Exit::Signal(SIGKILL)),
            stdout: Stream::default(),
            stderr: Stream::default(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            memory: 0,
        }),
        death => Err(died(death)),
    }
}

/// Whether another container may fare better.
fn is_worth_retrying(error: &Error) -> bool {
    !matches!(
        error,
        Error::UnknownLanguage(_)
            | Error::ImageMissing { .. }
            | Error::LimitsNotEnforced(_)
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
