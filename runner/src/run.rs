//! One run: start, watch, end, judge.

use std::time::{Duration, Instant};

use warren_runner::wire::{Ending, Execute, RunReport};

use crate::conversation::Conversation;
use crate::error::Error;
use crate::job::Job;
use crate::judge::{Cut, Facts, judge};
use crate::park::Parked;
use crate::reap::Tally;
use crate::scratch::Scratch;
use crate::sys;
use crate::usage::Reading;
use crate::watch::{Bounds, Watch};

/// A program that has begun, whichever way.
pub(crate) struct Started<'a> {
    watch: Watch<'a>,
    /// When its time began.
    clock: Instant,
    /// The container's counters just before.
    before: Reading,
}

/// A run that is over.
pub(crate) struct Over {
    /// `None` if the job's time cut it off.
    pub(crate) report: Option<RunReport>,
    /// Whether every process of it is gone.
    pub(crate) clean: bool,
}

impl Job {
    /// Begins the program: in the interpreter that waits for it, or in a new one.
    ///
    /// # Errors
    /// [`Error::ScratchStuck`] if what the last one left takes the job's time to remove.
    pub(crate) fn begin<'a>(
        &mut self,
        parked: Option<Parked>,
        execute: &Execute,
        input: &'a [u8],
        scratch: &mut Scratch,
        budget_end: Instant,
    ) -> Result<Started<'a>, Error> {
        if let Some(parked) = parked
            && let Some(started) = self.let_go(parked, execute, input, scratch)?
        {
            return Ok(started);
        }
        scratch.empty(budget_end)?;
        scratch.write(&execute.command.file_name, &execute.code)?;
        let before = self.meter.read();
        let launched = self.launcher.start(&execute.command)?;
        Ok(Started {
            clock: Instant::now(),
            watch: Watch::new(launched, input, execute.output_kept),
            before,
        })
    }

    /// Gives a parked interpreter its program. `None` if it has just died.
    fn let_go<'a>(
        &mut self,
        parked: Parked,
        execute: &Execute,
        input: &'a [u8],
        scratch: &Scratch,
    ) -> Result<Option<Started<'a>>, Error> {
        // The program finds a regular file under its name, and so do tracebacks.
        scratch.write(&execute.command.file_name, &execute.code)?;
        // And its input, which is there by the time that a fresh interpreter has started up.
        let mut watch = Watch::new(parked.launched, input, execute.output_kept);
        watch.feed()?;
        let spent = sys::cpu_of(watch.pid).unwrap_or_default();
        let before = self.meter.read().of_parked(parked.before, spent);
        if let Some(clock) = parked.gate.let_go(&execute.code)? {
            return Ok(Some(Started {
                watch,
                clock,
                before,
            }));
        }
        self.discard(watch.pid)?;
        Ok(None)
    }

    /// Watches a program until it is over.
    pub(crate) fn see_through(
        &mut self,
        started: Started<'_>,
        execute: &Execute,
        budget_end: Instant,
        conversation: &mut Conversation,
    ) -> Result<Over, Error> {
        let Started {
            mut watch,
            clock,
            before,
        } = started;
        let bounds = bounds(execute, clock, budget_end);
        let mut tally = Tally::default();
        let cut = watch.until_end(bounds, &self.reaper, &mut tally, conversation)?;
        let wall = clock.elapsed();

        // Whatever else it started dies before its output is taken to be complete.
        let clean = self.reaper.end_all(watch.pid, &mut tally)?;
        watch.drain()?;
        let usage = self.meter.since(before, &tally);
        let flooded = watch.flooded(execute.output_flood);
        let ending = match (cut, tally.main) {
            (Some(Cut::Budget), _) => {
                return Ok(Over {
                    report: None,
                    clean,
                });
            }
            (Some(Cut::Time), _) => Ending::TimeLimit,
            (Some(Cut::Flood), _) => Ending::OutputLimit,
            (None, None) => return Err(Error::Unkillable),
            (None, Some(status)) => judge(&Facts {
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

/// The run's own time, unless the job's is over first.
fn bounds(execute: &Execute, started: Instant, budget_end: Instant) -> Bounds {
    let own_end = later(started, execute.time_limit);
    let (deadline, reason) = if own_end <= budget_end {
        (own_end, Cut::Time)
    } else {
        (budget_end, Cut::Budget)
    };
    Bounds {
        deadline,
        reason,
        flood: execute.output_flood,
    }
}

/// A moment after another; a duration that no clock can hold is as good as a day.
pub(crate) fn later(moment: Instant, by: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(86_400);
    moment + by.min(DAY)
}
