//! Parses the container's cgroup files, versions 1 and 2. Pure.

use std::time::Duration;

/// Parses `cpuacct.usage` (version 1): nanoseconds.
pub(crate) fn cpu_v1(text: &str) -> Option<Duration> {
    number(text).map(Duration::from_nanos)
}

/// Parses `cpu.stat` (version 2).
pub(crate) fn cpu_v2(text: &str) -> Option<Duration> {
    field(text, "usage_usec").map(Duration::from_micros)
}

/// Parses `memory.max_usage_in_bytes` (version 1) and `memory.peak` (version 2), and the limits
/// `memory.limit_in_bytes` and `memory.max`: bytes. `max` means no limit.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Parses `memory.oom_control` (version 1) and `memory.events` (version 2): the number of processes
/// that the kernel killed for memory.
pub(crate) fn oom_kills(text: &str) -> Option<u64> {
    field(text, "oom_kill")
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| number(value)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_version_1() {
        assert_eq!(cpu_v1("29782289\n"), Some(Duration::from_nanos(29_782_289)));
        assert_eq!(number("5050368\n"), Some(5_050_368));
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(oom_kills(control), Some(3));
    }

    #[test]
    fn reads_version_2() {
        let stat = "usage_usec 48120\nuser_usec 30000\nsystem_usec 18120\nnr_periods 7\n";
        assert_eq!(cpu_v2(stat), Some(Duration::from_micros(48_120)));
        let events = "low 0\nhigh 0\nmax 911\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(oom_kills(events), Some(1));
    }

    #[test]
    fn a_missing_figure_is_none() {
        assert_eq!(cpu_v2("user_usec 1\n"), None);
        assert_eq!(number("max\n"), None);
        // Kernels before 4.13 do not count.
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
