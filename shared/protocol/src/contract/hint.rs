//! Hints on a run's verdict: what its author may not see in the verdict alone.

use crate::limits::{ByteSize, Limits};
use crate::outcome::{Run, Status};

/// The share of the memory limit, in percent, from which on a run held much: near its limit an
/// interpreter collects garbage most of its time, and a slow machine is over its time before its heap
/// is full.
const MUCH: u64 = 80;

/// Returns the hint on a run, if there is one.
pub(super) fn hint(run: &Run) -> Option<String> {
    let limit = Limits::default().memory;
    let much = run.memory_bytes.saturating_mul(100) >= limit.get().saturating_mul(MUCH);
    (run.status == Status::TimeLimitExceeded && much).then(|| {
        let mib = |bytes: u64| bytes / ByteSize::mib(1).get();
        format!(
            "The program held up to {} of {} MiB of memory when its time was over; it may have spent its time on memory. Hold less, or free what is no longer used.",
            mib(run.memory_bytes),
            mib(limit.get()),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::Captured;

    fn hint_on(status: Status, memory_bytes: u64) -> Option<String> {
        hint(&Run {
            status,
            exit_code: None,
            signal: Some("SIGKILL".to_owned()),
            stdout: Captured::default(),
            stderr: Captured::default(),
            duration: Duration::from_secs(3),
            cpu: Duration::from_secs(1),
            memory_bytes,
        })
    }

    #[test]
    fn a_run_that_was_over_its_time_with_much_memory_is_explained() {
        let most = Limits::default().memory.get();
        let said = hint_on(Status::TimeLimitExceeded, 214 << 20).unwrap();
        assert!(said.contains("held up to 214 of 256 MiB"), "{said}");
        assert!(hint_on(Status::TimeLimitExceeded, most).is_some());
        let threshold = most.div_ceil(5) * 4;
        assert!(hint_on(Status::TimeLimitExceeded, threshold).is_some());
    }

    #[test]
    fn other_verdicts_and_little_memory_need_no_hint() {
        let most = Limits::default().memory.get();
        let below = most / 5 * 4;
        assert_eq!(hint_on(Status::TimeLimitExceeded, below - 1), None);
        assert_eq!(hint_on(Status::TimeLimitExceeded, 0), None);
        for status in [
            Status::Completed,
            Status::RuntimeError,
            Status::MemoryLimitExceeded,
            Status::OutputLimitExceeded,
        ] {
            assert_eq!(hint_on(status, most), None, "{status:?}");
        }
    }
}
