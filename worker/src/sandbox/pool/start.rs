//! Starts containers: for a job immediately, or to be parked.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warren_http::MAX_WAIT;
use warren_languages::Language;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_runner::wire::{Command, Park};

use super::config::PoolConfig;
use super::language_pool::{Interpreter, Parked};
use super::policy::PATIENCE;
use crate::Result;
use crate::engine::{Container, Engine, Launch, Purpose};
use crate::sandbox::conversation::Conversation;
use crate::slots::Slots;

/// The time past its job's deadline that a container may exist: for its own start and a late removal.
const SPARE_LIFE: Duration = Duration::from_secs(5);
/// The largest random reduction of a container's maximum age, as a fraction of it, so that containers
/// that were started together are not replaced together.
const JITTER: f64 = 0.1;

/// Makes the command that starts the language's programs.
pub(crate) fn command(language: &Language, limits: &Limits) -> Command {
    Command {
        args: language.command().to_vec(),
        file_name: language.file_name().to_owned(),
        // Output that Node prints in one piece before it exits is lost unless it fits into the pipe.
        pipe_size: limits.output_flood.get(),
    }
}

/// Starts a container for this job, with no process in it but PID 1.
pub(super) async fn cold(engine: &dyn Engine, job: &Job) -> Result<Conversation> {
    let launch = Launch {
        language: job.submission.language().clone(),
        purpose: Purpose::Job(job.id),
        limits: job.limits.clone(),
        max_life: job.deadline.remaining() + SPARE_LIFE,
    };
    Conversation::open(engine.launch(&launch).await?).await
}

/// Starts a container that waits for a job, and parks its interpreter if the language has that.
/// Returns `None` if `stop` came first.
pub(super) async fn parked(
    engine: &dyn Engine,
    language: &Language,
    slots: &Slots,
    settings: &PoolConfig,
    stop: &CancellationToken,
) -> Result<Option<Parked>> {
    let (limits, since) = (Limits::default(), Instant::now());
    let max_life = settings.max_age + MAX_WAIT + SPARE_LIFE;
    let launch = Launch {
        language: language.name().clone(),
        purpose: Purpose::Park,
        limits: limits.clone(),
        max_life,
    };
    // Not interrupted by `stop`: a container that the engine is just creating could not be removed yet.
    let container = engine.launch(&launch).await?;
    let ready = ready(container, language, slots, &limits);
    let (conversation, interpreter) = tokio::select! {
        ready = ready => ready?,
        () = stop.cancelled() => return Ok(None),
    };
    let age = settings.max_age.mul_f64(1.0 - JITTER * fastrand::f64());
    Ok(Some(Parked {
        conversation,
        interpreter,
        since,
        until: since + age,
        life_end: since + max_life,
    }))
}

/// Waits until PID 1 is up, and parks the interpreter if the language has that.
async fn ready(
    container: Container,
    language: &Language,
    slots: &Slots,
    limits: &Limits,
) -> Result<(Conversation, Interpreter)> {
    let mut conversation = Conversation::open(container).await?;
    if !language.parks() {
        return Ok((conversation, Interpreter::None));
    }
    // An interpreter's start needs the CPU again. A caller's job that arrived in the meantime goes
    // first.
    let mut activity = slots.activity();
    let quiet = activity.wait_for(|activity| activity.running() == 0);
    drop(tokio::time::timeout(PATIENCE, quiet).await);
    let park = Park {
        command: command(language, limits),
        environment: language.park_env().to_vec(),
    };
    conversation.park(park).await?;
    Ok((conversation, Interpreter::Parked))
}
