//! The worker's own verdict on a run that PID 1 cannot report.
//!
//! PID 1 lives in the container beside the program: on the same quota of CPU, within the same limit of
//! memory. A program that overdraws either takes PID 1 along. That is the program's doing, so it is
//! a verdict and no failure of Warren's.

use std::time::Duration;

use warren_protocol::limits::Limits;
use warren_runner::wire::{Ending, Exit, RunReport, Stream};

use super::judge::SIGKILL;
use crate::engine::{Consumed, Death, Handle, Life};
use crate::sandbox::{Awaited, Bound, Reported, died, until_dead};
use crate::{Error, Result};

/// Concludes the run that PID 1 has not reported, from the error that came instead.
///
/// | instead of the report | the run |
/// |---|---|
/// | nothing in time, or closed streams, and the container lives | reached its time limit |
/// | the same, but the job's time is over first | was not run |
/// | the end of the container, killed for lack of memory | reached its memory limit |
/// | anything else | has no verdict: that is Warren's failure |
///
/// `accounted` is the CPU time of the runs before, which PID 1 reported.
///
/// # Errors
/// The error itself, if no program can be its cause. An engine that does not answer is one: it may
/// hold back the report.
pub(super) async fn conclude(
    error: Error,
    awaited: Awaited,
    handle: &dyn Handle,
    limits: &Limits,
    accounted: Duration,
) -> Result<Reported> {
    let report = |ending, consumed: Consumed| {
        Some(RunReport {
            ending,
            stdout: Stream::default(),
            stderr: Stream::default(),
            wall: awaited.since.elapsed(),
            cpu: consumed.cpu,
            memory: consumed.memory.min(limits.memory.get()),
        })
    };
    let life = match &error {
        Error::RunnerTimedOut { .. } if awaited.bound == Bound::Job => Some(Life::Running),
        Error::RunnerTimedOut { .. } => handle.look().await,
        // The program may have had PID 1 killed while the worker read or wrote. The streams close
        // first, and then PID 1 waits for all of the container's processes to die.
        Error::ContainerDied(_) | Error::Stream(_) => until_dead(handle, awaited.by).await,
        _ => return Err(error),
    };
    match (life, error) {
        (Some(Life::Running), _) if awaited.bound == Bound::Job => {
            handle.condemn();
            Ok(None)
        }
        (Some(Life::Running), _) => {
            let mut consumed = handle.consumed().await;
            consumed.cpu = consumed.cpu.saturating_sub(accounted);
            handle.condemn();
            Ok(report(Ending::TimeLimit, consumed))
        }
        (Some(Life::Ended(Death::OutOfMemory)), _) => {
            // Its counters went with it. It was killed at its limit.
            let consumed = Consumed {
                cpu: Duration::ZERO,
                memory: limits.memory.get(),
            };
            let killed = Ending::MemoryLimit(Exit::Signal(SIGKILL));
            Ok(report(killed, consumed))
        }
        (life @ Some(Life::Ended(_)), _) => Err(died(life)),
        (None, Error::RunnerTimedOut { .. }) => Err(Error::EngineSilent),
        (None, error) => Err(error),
    }
}
