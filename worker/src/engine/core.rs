//! The CPUs that containers run on, one for each container.
//!
//! Since Linux 6.18 the kernel enforces a CPU quota only when a task returns to user mode (sched/fair:
//! task-based throttling), so programs that sit in system calls overdraw it, on as many CPUs as they
//! may use. On one CPU, that is one CPU for the run's time. Half a CPU never needs a second one.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The most CPUs that Linux can be built for (`CONFIG_NR_CPUS` of x86_64 with `MAXSMP`).
const MOST: u32 = 8_192;

/// Numbers of CPUs, at least one, as the kernel counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSet(BTreeSet<u32>);

impl CpuSet {
    /// The variable that chooses the CPUs for containers.
    pub const VARIABLE: &'static str = "WARREN_CPUS";

    /// Returns the first CPUs of a machine, at least one.
    #[must_use]
    pub fn first(count: u32) -> Self {
        Self((0..count.clamp(1, MOST)).collect())
    }

    /// Returns the CPUs that this process may run on, as the kernel has it.
    #[must_use]
    pub(crate) fn of_process() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let list = |line: &str| line.strip_prefix("Cpus_allowed_list:")?.parse().ok();
        status.lines().find_map(list)
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl FromStr for CpuSet {
    type Err = &'static str;

    /// Reads the kernel's list format (cpuset(7)): `0-3,8`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FAULT: &str = "is not a list of CPU numbers such as 0-3,8";
        let mut numbers = BTreeSet::new();
        for part in text.trim().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n < MOST);
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => numbers.extend(first..=last),
                _ => return Err(FAULT),
            }
        }
        Ok(Self(numbers))
    }
}

/// A CPU, with the containers and jobs that were given to it. Clones count as containers.
#[derive(Clone, Debug)]
pub struct Core(Arc<CoreState>);

#[derive(Debug)]
struct CoreState {
    number: u32,
    jobs: AtomicUsize,
}

impl Core {
    /// Returns its number, as the kernel counts it.
    #[must_use]
    pub(crate) fn number(&self) -> u32 {
        self.0.number
    }

    /// Returns the number of jobs that run on it.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.0.jobs.load(Ordering::Relaxed)
    }

    /// Counts one more job until the guard is dropped.
    #[must_use]
    pub fn occupy(&self) -> Occupied {
        self.0.jobs.fetch_add(1, Ordering::Relaxed);
        Occupied(self.clone())
    }

    fn containers(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl fmt::Display for Core {
    /// Formats the number, as cpuset(7) has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.number)
    }
}

/// A job that runs on a CPU.
#[derive(Debug)]
pub struct Occupied(Core);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.0.jobs.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The CPUs that an engine may use. It gives each container the emptiest one, in turn among equals.
#[derive(Debug)]
pub struct Cores {
    cores: Vec<Core>,
    /// The place of the one that is next among equals.
    next: Mutex<usize>,
}

impl Cores {
    /// Creates them, all empty. `anywhere` chooses the first one: workers on one host must not all
    /// begin with the same.
    #[must_use]
    pub fn new(set: &CpuSet, anywhere: usize) -> Self {
        let core = |number: &u32| {
            Core(Arc::new(CoreState {
                number: *number,
                jobs: AtomicUsize::new(0),
            }))
        };
        Self {
            cores: set.0.iter().map(core).collect(),
            next: Mutex::new(anywhere % set.count()),
        }
    }

    /// Chooses the CPU of a container that is started for a job: the one with the fewest jobs.
    pub fn for_job(&self) -> Core {
        self.emptiest(|core| (core.jobs(), core.containers()))
    }

    /// Chooses the CPU of a container that is to be parked: the one with the fewest containers.
    pub fn to_park(&self) -> Core {
        self.emptiest(|core| (core.containers(), core.jobs()))
    }

    fn emptiest(&self, crowd: impl Fn(&Core) -> (usize, usize)) -> Core {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let emptier = |best, core| {
            if crowd(core) < crowd(best) {
                core
            } else {
                best
            }
        };
        let (before, after) = self.cores.split_at(*next);
        let chosen = after.iter().chain(before).fold(&self.cores[*next], emptier);
        *next = (*next + 1) % self.cores.len();
        chosen.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Option<Vec<u32>> {
        let set = text.parse::<CpuSet>().ok()?;
        Some(set.0.into_iter().collect())
    }

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(numbers("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!(numbers("5\n"), Some(vec![5]));
        for fault in ["", "a", "3-1", "1,,2", "-1", "0-", "0-4000000000"] {
            assert_eq!(numbers(fault), None, "{fault}");
        }
    }

    #[test]
    fn the_kernel_says_where_this_process_may_run() {
        assert!(CpuSet::of_process().is_some_and(|cpus| cpus.count() > 0));
    }

    #[test]
    fn containers_to_be_parked_are_spread_evenly_over_all_cpus() {
        let cores = Cores::new(&"0-2".parse().unwrap(), 7);
        let mut held = Vec::new();
        for of_each in 1..=3 {
            held.extend((0..3).map(|_| cores.to_park()));
            let on = |n| held.iter().filter(|core| core.to_string() == n).count();
            assert_eq!((on("0"), on("1"), on("2")), (of_each, of_each, of_each));
        }
        let gone = held.swap_remove(4).to_string();
        let next = cores.to_park();
        assert_eq!(next.to_string(), gone, "the emptiest is next");
    }

    #[test]
    fn a_job_starts_where_the_fewest_jobs_run() {
        let cores = Cores::new(&"4,6".parse().unwrap(), 0);
        let parked: Vec<_> = (0..4).map(|_| cores.to_park()).collect();
        let running = parked[0].occupy();
        for _ in 0..3 {
            let chosen = cores.for_job();
            assert_eq!(chosen.to_string(), parked[1].to_string());
        }
        drop(running);
        assert_eq!(parked[0].jobs(), 0);
    }
}
