//! The resources that a run used.
//!
//! - CPU time is the container's, from the run's start to the end of its last process. Where the
//!   kernel does not show that, it is the sum over the reaped processes. A parked interpreter counts
//!   from the moment at which it is let go.
//! - Memory is the larger of two figures. The container's high-water mark sees all processes
//!   together, their files in memory and the kernel's buffers, but never falls, so it counts for
//!   a run only if the run raised it. The largest resident size of any single process is always
//!   the run's own, but includes the interpreter's file, whose pages other containers share and
//!   may be charged for. So it can pass the limit, and is capped at it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::cgroup;
use crate::filter::Sockets;
use crate::reap::Reaped;

/// A size in bytes that none of the files reaches.
const FILE_SIZE: usize = 4096;

/// The container's counters; each is `None` where the kernel does not show it.
pub(crate) struct Meter {
    cpu: Option<Counter<Duration>>,
    peak: Option<Counter<u64>>,
    oom_kills: Option<Counter<u64>>,
    /// Bytes that the container may hold; `None` without a limit.
    memory_limit: Option<u64>,
    sockets: Sockets,
}

/// The counters' values at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    cpu: Option<Duration>,
    peak: Option<u64>,
    oom_kills: Option<u64>,
    /// The CPU time that the run's first process had used before.
    used_before: Duration,
}

/// The resources that one run used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) memory: u64,
    /// Whether the kernel killed a process for lack of memory.
    pub(crate) oom_kill: bool,
}

impl Reading {
    /// Adapts a reading to a run whose interpreter was started earlier. The CPU time that the
    /// interpreter has used is not the run's. Its memory is, as if the run had started it.
    pub(crate) fn of_parked(self, earlier: Self, used_before: Duration) -> Self {
        Self {
            peak: earlier.peak,
            used_before,
            ..self
        }
    }
}

impl Meter {
    /// Opens the files once; reading them again gives the figures of that moment.
    pub(crate) fn open() -> Self {
        let root = Path::new("/sys/fs/cgroup");
        // Version 2, whether or not the container sees its own part alone.
        let sockets = if root.join("cgroup.controllers").exists() {
            Sockets::Internet
        } else {
            Sockets::Local
        };
        // The root of a version 2 hierarchy has no type. Where a container sees that (the
        // engine's option `--cgroupns=host`), the figures there are the whole machine's.
        if root.join("cgroup.type").exists() {
            Self {
                cpu: Counter::open(root, &["cpu.stat"], cgroup::cpu_v2),
                peak: Counter::open(root, &["memory.peak"], cgroup::number),
                oom_kills: Counter::open(root, &["memory.events"], cgroup::oom_kills),
                memory_limit: figure(root, "memory.max"),
                sockets,
            }
        } else {
            let usage = ["cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage"];
            let peak = ["memory/memory.max_usage_in_bytes"];
            let control = ["memory/memory.oom_control"];
            Self {
                cpu: Counter::open(root, &usage, cgroup::cpu_v1),
                peak: Counter::open(root, &peak, cgroup::number),
                oom_kills: Counter::open(root, &control, cgroup::oom_kills),
                memory_limit: figure(root, "memory/memory.limit_in_bytes"),
                sockets,
            }
        }
    }

    /// Returns the sockets whose buffers count against the container's memory. Version 1 counts those
    /// of internet sockets under a limit of their own at best, which is none: each socket may pass it
    /// (300 MB under one of 16 MB, by `memory_of_sockets.py` on Linux 6.18).
    pub(crate) fn charged_sockets(&self) -> Sockets {
        self.sockets
    }

    pub(crate) fn read(&self) -> Reading {
        Reading {
            cpu: self.cpu.as_ref().and_then(Counter::read),
            peak: self.peak.as_ref().and_then(Counter::read),
            oom_kills: self.oom_kills.as_ref().and_then(Counter::read),
            used_before: Duration::ZERO,
        }
    }

    /// Returns the resources used since an earlier reading.
    pub(crate) fn since(&self, before: Reading, reaped: &Reaped) -> Usage {
        let usage = Usage::between(before, self.read(), reaped);
        Usage {
            memory: usage.memory.min(self.memory_limit.unwrap_or(u64::MAX)),
            ..usage
        }
    }
}

impl Usage {
    fn between(before: Reading, after: Reading, reaped: &Reaped) -> Self {
        let cpu = after.cpu.zip(before.cpu);
        let raised = after.peak.filter(|peak| before.peak < Some(*peak));
        let own = reaped.cpu.saturating_sub(before.used_before);
        Self {
            cpu: cpu.map_or(own, |(after, before)| after.saturating_sub(before)),
            memory: raised.unwrap_or(0).max(reaped.max_rss),
            oom_kill: after.oom_kills > before.oom_kills,
        }
    }
}

/// One counter in one file.
struct Counter<T> {
    file: File,
    parse: fn(&str) -> Option<T>,
}

impl<T> Counter<T> {
    fn open(root: &Path, names: &[&str], parse: fn(&str) -> Option<T>) -> Option<Self> {
        let file = names
            .iter()
            .find_map(|name| File::open(root.join(name)).ok())?;
        Some(Self { file, parse })
    }

    fn read(&self) -> Option<T> {
        let mut text = [0; FILE_SIZE];
        let len = self.file.read_at(&mut text, 0).ok()?;
        (self.parse)(std::str::from_utf8(&text[..len]).ok()?)
    }
}

/// Reads a figure that does not change.
fn figure(root: &Path, name: &str) -> Option<u64> {
    Counter::open(root, &[name], cgroup::number)?.read()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn reading(cpu_ms: u64, peak: u64, oom_kills: u64) -> Reading {
        Reading {
            cpu: Some(Duration::from_millis(cpu_ms)),
            peak: Some(peak),
            oom_kills: Some(oom_kills),
            used_before: Duration::ZERO,
        }
    }

    #[test]
    fn a_run_is_charged_for_its_parked_interpreters_memory_but_not_its_start() {
        let (park, let_go) = (reading(10, 2 * MIB, 0), reading(40, 9 * MIB, 1));
        let after = reading(45, 9 * MIB, 1);
        let before = let_go.of_parked(park, Duration::from_millis(28));
        let usage = Usage::between(before, after, &reaped(35, 5 * MIB));
        let expected = Usage {
            cpu: Duration::from_millis(5),
            memory: 9 * MIB,
            oom_kill: false,
        };
        assert_eq!(usage, expected);
        let blind = Reading::default().of_parked(Reading::default(), Duration::from_millis(28));
        let usage = Usage::between(blind, Reading::default(), &reaped(35, 0));
        assert_eq!(usage.cpu, Duration::from_millis(7));
    }

    fn reaped(cpu_ms: u64, max_rss: u64) -> Reaped {
        Reaped {
            main: None,
            cpu: Duration::from_millis(cpu_ms),
            max_rss,
        }
    }

    #[test]
    fn cpu_is_what_the_container_used_during_the_run() {
        let usage = Usage::between(reading(40, 0, 0), reading(100, 0, 0), &reaped(50, 0));
        assert_eq!(usage.cpu, Duration::from_millis(60));
        let blind = Usage::between(Reading::default(), Reading::default(), &reaped(50, 0));
        assert_eq!(blind.cpu, Duration::from_millis(50));
    }

    #[test]
    fn the_high_water_mark_counts_only_for_the_run_that_raised_it() {
        let first = Usage::between(
            reading(0, 2 * MIB, 0),
            reading(1, 90 * MIB, 0),
            &reaped(0, 9 * MIB),
        );
        assert_eq!(first.memory, 90 * MIB);
        let second = Usage::between(
            reading(1, 90 * MIB, 0),
            reading(2, 90 * MIB, 0),
            &reaped(0, 9 * MIB),
        );
        assert_eq!(second.memory, 9 * MIB);
    }

    #[test]
    fn only_a_kill_during_the_run_counts() {
        let usage = |before, after| {
            Usage::between(reading(0, 0, before), reading(0, 0, after), &reaped(0, 0)).oom_kill
        };
        assert!(usage(1, 2));
        assert!(!usage(2, 2));
        assert!(!Usage::between(Reading::default(), Reading::default(), &reaped(0, 0)).oom_kill);
    }
}
