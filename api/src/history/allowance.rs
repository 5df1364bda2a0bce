//! Allowance of recorded texts: a bound of bytes a day, shared by callers and rooms.

use std::sync::atomic::{AtomicU64, Ordering};

use warren_protocol::ids::{CallerTag, RoomId};
use warren_protocol::limits::ByteSize;
use warren_protocol::time::EpochMillis;

use crate::store::Execution;
use crate::sync::{Counts, Lock};

/// A day, in milliseconds. Days begin at midnight UTC.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The most rooms that are counted apart a day, of all callers; those that come later are counted as
/// one. Each takes some 250 bytes of memory.
const MAX_ROOMS: usize = 65_536;

/// The allowance of texts, counted since this process started.
pub(super) struct TextAllowance {
    most: usize,
    max_rooms: usize,
    today: Lock<Today>,
    left_out: AtomicU64,
}

#[derive(Default)]
struct Today {
    /// The number of the day since the epoch.
    day: u64,
    /// `None` stands for all rooms that are not counted apart.
    counts: Counts<Option<RoomId>>,
    has_told: bool,
}

impl TextAllowance {
    /// Allows so many bytes a day.
    pub(super) fn new(most: ByteSize) -> Self {
        Self {
            most: most.as_len(),
            max_rooms: MAX_ROOMS,
            today: Lock::default(),
            left_out: AtomicU64::new(0),
        }
    }

    /// Counts the texts of an execution. Returns false if they must not be recorded, because its
    /// caller or room has recorded its share of today. The bound is met within one execution.
    pub(super) fn admits(&self, execution: &Execution) -> bool {
        self.admits_at(execution, EpochMillis::now())
    }

    fn admits_at(&self, execution: &Execution, now: EpochMillis) -> bool {
        let origin = execution.origin.as_ref();
        let caller = origin.and_then(|origin| origin.caller);
        let room = origin.map(|origin| origin.room.clone());
        let (caller, len) = (caller.unwrap_or_default(), execution.text_len());
        if len == 0 {
            return true;
        }
        let mut today = self.today.lock();
        let day = now.get() / DAY_MS;
        if today.day != day {
            *today = Today {
                day,
                ..Today::default()
            };
        }
        let is_new = today.counts.held(caller, &room).part == 0;
        let (caller, room) = if is_new && today.counts.parts() >= self.max_rooms {
            (CallerTag::default(), None)
        } else {
            (caller, room)
        };
        if today.counts.may_grow(self.most, caller, &room) {
            today.counts.add(caller, room, len);
            return true;
        }
        let is_first = !std::mem::replace(&mut today.has_told, true);
        drop(today);
        self.left_out.fetch_add(1, Ordering::Relaxed);
        if is_first {
            tracing::warn!(
                job.id = %execution.job_id,
                "a caller has recorded its share of today's texts; its executions are recorded without texts until midnight UTC; see WARREN_HISTORY_MIB_PER_DAY"
            );
        }
        false
    }

    /// Returns how many executions were recorded without texts.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use warren_protocol::ids::JobId;
    use warren_protocol::reply::{FailureCode, JobFailure};

    use super::*;
    use crate::store::{CodeHash, End, JobOrigin};

    fn execution(caller: u8, room: &str, len: usize) -> Execution {
        let failure = JobFailure {
            code: FailureCode::SandboxUnavailable,
            message: "x".repeat(len),
        };
        Execution {
            job_id: JobId::new(),
            origin: Some(JobOrigin {
                room: room.parse().unwrap(),
                caller: Some(CallerTag::new([caller; 16])),
                language: "python".parse().unwrap(),
                submitted_at: EpochMillis::now(),
                due_at: None,
                code: CodeHash::of("1"),
                source: None,
            }),
            end: End::Failed(failure),
            recorded_at: EpochMillis::now(),
            callback: None,
        }
    }

    #[test]
    fn a_caller_that_fills_the_history_leaves_a_third_of_the_day_to_others() {
        let allowance = TextAllowance::new(ByteSize::kib(300));
        let now = EpochMillis::from_millis(10 * DAY_MS);
        let admits =
            |caller, room: &str, now| allowance.admits_at(&execution(caller, room, 1_024), now);
        let admitted = (0..400)
            .filter(|n| admits(1, &format!("r{n}"), now))
            .count();
        assert!((195..=205).contains(&admitted), "{admitted}");
        assert_eq!(allowance.left_out(), 400 - admitted as u64);
        assert!(admits(2, "r0", now));
        assert!(!admits(1, "new", now));
        assert!(admits(1, "new", now + Duration::from_millis(DAY_MS)));
    }

    #[test]
    fn rooms_beyond_those_that_are_counted_share_one_count() {
        let allowance = TextAllowance {
            max_rooms: 4,
            ..TextAllowance::new(ByteSize::kib(300))
        };
        for number in 0..200 {
            let room = format!("r{number}");
            let _admitted = allowance.admits_at(
                &execution(number, &room, 1_024),
                EpochMillis::from_millis(0),
            );
        }
        assert!(allowance.today.lock().counts.parts() <= 5);
    }
}
