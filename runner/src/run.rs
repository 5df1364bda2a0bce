//! One run: starts a program, watches it, ends it, and concludes how it ended.

use std::time::Instant;

use warren_runner::wire::{Ending, Execute, RunReport};

use crate::conversation::Conversation;
use crate::ending::{Facts, KillReason, conclude};
use crate::error::Error;
use crate::life::later;
use crate::park::Parked;
use crate::reap::Reaped;
use crate::sandbox::Sandbox;
use crate::scratch::Scratch;
use crate::sys;
use crate::usage::Reading;
use crate::watch::{Bounds, Watch};

/// A program that has begun, in a parked interpreter or a new one.
pub(crate) struct Started<'a> {
    watch: Watch<'a>,
    /// The moment at which its time began.
    clock: Instant,
    /// The container's counters just before.
    before: Reading,
}

/// A run that is over.
pub(crate) struct Over {
    /// `None` if the job's time cut it off.
    pub(crate) report: Option<RunReport>,
    /// Whether all of its processes are gone.
    pub(crate) clean: bool,
}

impl<'a> Started<'a> {
    /// Begins the program: in the parked interpreter if there is one, or in a new one.
    ///
    /// # Errors
    /// [`Error::ScratchStuck`] if removing what the last program left takes the rest of the job's time,
    /// or does not give its space back.
    pub(crate) fn begin(
        parked: Option<Parked>,
        execute: &Execute,
        input: &'a [u8],
        sandbox: &mut Sandbox,
        scratch: &mut Scratch,
        budget_end: Instant,
    ) -> Result<Self, Error> {
        if let Some(parked) = parked
            && let Some(started) = Self::let_go(parked, execute, input, sandbox, scratch)?
        {
            return Ok(started);
        }
        scratch.empty(budget_end)?;
        scratch.reclaim(budget_end)?;
        scratch.write(&execute.command.file_name, &execute.code)?;
        let before = sandbox.meter.read();
        let launched = sandbox.launcher.start(&execute.command, &[])?;
        Ok(Self {
            clock: Instant::now(),
            watch: Watch::new(launched, input, execute.output_kept),
            before,
        })
    }

    /// Gives a parked interpreter its program. Returns `None` if it did not take it, and is gone.
    fn let_go(
        parked: Parked,
        execute: &Execute,
        input: &'a [u8],
        sandbox: &Sandbox,
        scratch: &Scratch,
    ) -> Result<Option<Self>, Error> {
        // The program finds a regular file under its name, and so do tracebacks.
        scratch.write(&execute.command.file_name, &execute.code)?;
        // It also finds its input, which is there by the time a fresh interpreter has started up.
        let mut watch = Watch::new(parked.launched, input, execute.output_kept);
        watch.feed()?;
        let used_before = sys::cpu_of(watch.pid).unwrap_or_default();
        let before = sandbox.meter.read().of_parked(parked.before, used_before);
        if let Some(clock) = parked.fifo.let_go(&execute.code)? {
            return Ok(Some(Self {
                watch,
                clock,
                before,
            }));
        }
        sandbox.clear(watch.pid)?;
        Ok(None)
    }

    /// Watches a program until it is over.
    pub(crate) fn see_through(
        self,
        execute: &Execute,
        sandbox: &Sandbox,
        budget_end: Instant,
        conversation: &mut Conversation,
    ) -> Result<Over, Error> {
        let Self {
            mut watch,
            clock,
            before,
        } = self;
        let bounds = bounds(execute, clock, budget_end);
        let mut reaped = Reaped::default();
        let kill = watch.until_end(bounds, &sandbox.reaper, &mut reaped, conversation)?;
        let wall = clock.elapsed();

        // Every other process that it started dies before its output counts as complete.
        let clean = sandbox.reaper.end_all(watch.pid, &mut reaped)?;
        watch.drain()?;
        let usage = sandbox.meter.since(before, &reaped);
        let flooded = watch.flooded(execute.output_flood);
        let ending = match (kill, reaped.main) {
            (Some(KillReason::Budget), _) => {
                return Ok(Over {
                    report: None,
                    clean,
                });
            }
            (Some(KillReason::Time), _) => Ending::TimeLimit,
            (Some(KillReason::Flood), _) => Ending::OutputLimit,
            (None, None) => return Err(Error::Unkillable),
            (None, Some(status)) => conclude(&Facts {
                status,
                flooded,
                oom_kill: usage.oom_kill,
                stderr_tail: watch.stderr.capture.tail(),
            }),
        };
        let report = RunReport {
            ending,
            stdout: watch.stdout.capture.into_stream(),
            stderr: watch.stderr.capture.into_stream(),
            wall,
            cpu: usage.cpu,
            memory: usage.memory,
        };
        Ok(Over {
            report: Some(report),
            clean,
        })
    }
}

/// Returns the run's bounds: its own time, unless the job's is over first.
fn bounds(execute: &Execute, started: Instant, budget_end: Instant) -> Bounds {
    let own_end = later(started, execute.time_limit);
    let (deadline, reason) = if own_end <= budget_end {
        (own_end, KillReason::Time)
    } else {
        (budget_end, KillReason::Budget)
    };
    Bounds {
        deadline,
        reason,
        flood: execute.output_flood,
    }
}
