//! The figures that a sandbox's limits become, and the reading of the kernel's. Pure.

/// The length of the CPU quota's period in microseconds: the kernel's default, and Docker's.
pub(super) const CPU_PERIOD_US: u64 = 100_000;

/// The weight of version 1 where a sandbox competes for its CPU: an eighth of the kernel's default of 1024,
/// so that the worker, the API and the broker win against a sandbox in debt with its quota.
pub(super) const CPU_SHARES: u32 = 128;

/// The same for version 2, by runc's conversion: 1 + (128 - 2) * 9999 / 262142.
pub(super) const CPU_WEIGHT: u32 = 5;

/// Returns the CPU time of a period in microseconds.
pub(super) fn quota_us(percent: u32) -> u64 {
    CPU_PERIOD_US * u64::from(percent) / 100
}

/// Returns the figure that a file consists of.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Returns a figure of a file with a name and a figure on each line.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| number(value)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_cpu_is_50_ms_of_100() {
        assert_eq!(quota_us(50), 50_000);
        assert_eq!(quota_us(100), 100_000);
    }

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let text = "oom 2\noom_kill 1\noom_group_kill 0";
        assert_eq!(field(text, "oom_kill"), Some(1));
        assert_eq!(field(text, "oom_kil"), None);
    }
}
