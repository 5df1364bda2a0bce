//! One run: start, watch, end, judge.

use std::time::{Duration, Instant};

use warren_runner::wire::{Ending, Execute, RunReport};

use crate::conversation::Conversation;
use crate::error::Error;
use crate::job::Job;
use crate::judge::{Cut, Facts, judge};
use crate::reap::Tally;
use crate::watch::{Bounds, Watch};

/// A run that is over.
pub(crate) struct Over {
    /// `None` if the job's time cut it off.
    pub(crate) report: Option<RunReport>,
    /// Whether every process of it is gone.
    pub(crate) clean: bool,
}

impl Job {
    /// Runs the program once.
    pub(crate) fn run_once(
        &mut self,
        execute: &Execute,
        input: &[u8],
        budget_end: Instant,
        conversation: &mut Conversation,
    ) -> Result<Over, Error> {
        let before = self.meter.read();
        let launched = self.launcher.start(&execute.command)?;
        let started = Instant::now();

        let bounds = bounds(execute, started, budget_end);
        let mut watch = Watch::new(launched, input, execute.output_kept);
        let mut tally = Tally::default();
        let cut = watch.until_end(bounds, &self.reaper, &mut tally, conversation)?;
        let wall = started.elapsed();

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
