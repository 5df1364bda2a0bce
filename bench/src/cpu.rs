//! The CPU time of the whole machine.
//!
//! It includes Warren, the engine, the kernel and the broker.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use warren_protocol::time::fractional_millis;

use super::context::Bench;

/// The kernel's unit is a hundredth of a second, whatever its own clock (`USER_HZ`).
const TICK_MS: u64 = 10;
/// The columns of `/proc/stat` in which CPUs work: user, nice, system, irq, softirq. The others
/// are idle, iowait, steal, and guests, which are counted in the first two.
const WORKING: [usize; 5] = [0, 1, 2, 5, 6];

/// The most that an idle machine may spend of each core, in milliseconds a second: heartbeats,
/// probes.
const USUAL_IDLE: f64 = 50.0;

/// A meter of the CPU time above that of the idle machine.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    idle_ms_per_s: f64,
}

/// A reading of the meter.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: Instant,
    busy: Duration,
}

impl Mark {
    /// Takes a reading.
    pub fn now() -> anyhow::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            busy: busy()?,
        })
    }

    /// Returns its time.
    pub fn at(self) -> Instant {
        self.at
    }
}

impl Meter {
    /// Watches the idle machine.
    pub fn calibrate(bench: &Bench, span: Duration) -> anyhow::Result<Self> {
        let unadjusted = Self { idle_ms_per_s: 0.0 };
        let before = Mark::now()?;
        bench.pause(span)?;
        let spent = unadjusted.between(before, Mark::now()?);
        Ok(Self {
            idle_ms_per_s: spent / before.at.elapsed().as_secs_f64(),
        })
    }

    /// Returns what the idle machine spends, in milliseconds a second.
    pub fn idle_ms_per_s(&self) -> f64 {
        self.idle_ms_per_s
    }

    /// Returns true if something else ran while the machine should have been idle.
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of cores are far below 2^52"
    )]
    pub fn was_busy(&self) -> bool {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.idle_ms_per_s > USUAL_IDLE * cores as f64
    }

    /// Returns the CPU time between two readings, in milliseconds. It is below zero if the machine
    /// was quieter than when it was watched; only the mean of many counts.
    pub fn between(&self, before: Mark, after: Mark) -> f64 {
        let spent = fractional_millis(after.busy.saturating_sub(before.busy));
        spent - self.idle_ms_per_s * (after.at - before.at).as_secs_f64()
    }
}

fn busy() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")
        .context("cannot read CPU time from /proc/stat; run the benchmark on Linux")?;
    parse(&text)
        .context("/proc/stat does not look as expected; please report it with the kernel's version")
}

fn parse(text: &str) -> Option<Duration> {
    let all = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let columns: Vec<u64> = all
        .split_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    let ticks = WORKING
        .iter()
        .map(|column| columns.get(*column))
        .sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * TICK_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_columns_alone_are_summed() {
        let text = "cpu  1 20 300 9999 9999 4000 50000 9999 9999 9999\ncpu0 7 7 7 7 7 7 7 7 7 7\n";
        assert_eq!(parse(text), Some(Duration::from_millis(543_210)));
        assert_eq!(parse("cpu  1 2 3\n"), None);
        assert_eq!(parse("intr 1\n"), None);
    }

    #[test]
    fn the_idle_machines_cpu_time_is_subtracted() {
        let meter = Meter {
            idle_ms_per_s: 30.0,
        };
        let (at, busy) = (Instant::now(), Duration::from_secs(100));
        let before = Mark { at, busy };
        let after = Mark {
            at: at + Duration::from_secs(2),
            busy: busy + Duration::from_millis(200),
        };
        assert!((meter.between(before, after) - 140.0).abs() < 1e-9);
    }
}
