//! The slots' activity: how many are taken, by jobs of which kind, and since when.

use std::time::Duration;

use tokio::time::Instant;

/// The approximate number of last jobs that make up the average.
const AVERAGED: u32 = 16;

/// The slots' activity, published whenever a slot is taken or freed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    taken: Taken,
    count: usize,
    /// The moment at which a caller's job ran last.
    quiet_since: Instant,
    /// The moment at which all slots were taken last.
    roomy_since: Instant,
    has_run: bool,
    /// The recent average of the time that a caller's job holds its slot.
    service: Option<Duration>,
}

/// The numbers of slots that are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// By any job.
    pub(super) all: usize,
    /// The number of those that unattended jobs have.
    pub(super) unattended: usize,
    /// The number of those that callers' jobs have borrowed for further runs.
    pub(super) borrowed: usize,
}

impl Taken {
    /// Returns the number of callers' jobs: each has one slot that is not borrowed.
    fn callers(self) -> usize {
        self.all.saturating_sub(self.unattended + self.borrowed)
    }
}

impl Activity {
    pub(super) fn new(count: usize, now: Instant) -> Self {
        Self {
            taken: Taken::default(),
            count,
            quiet_since: now,
            roomy_since: now,
            has_run: false,
            service: None,
        }
    }

    /// Returns the number of running jobs that a caller waits for.
    #[must_use]
    pub(crate) fn running(&self) -> usize {
        self.taken.callers()
    }

    /// Returns the number of slots that unattended jobs have.
    #[must_use]
    pub(crate) fn unattended(&self) -> usize {
        self.taken.unattended
    }

    /// Returns the number of free slots.
    #[must_use]
    pub(crate) fn free(&self) -> usize {
        self.count.saturating_sub(self.taken.all)
    }

    /// Returns the time for which no caller's job has run, if none runs.
    #[must_use]
    pub(crate) fn quiet_for(&self, now: Instant) -> Option<Duration> {
        (self.running() == 0).then(|| now.saturating_duration_since(self.quiet_since))
    }

    /// Returns whether a caller's job has ever run.
    #[must_use]
    pub(crate) fn has_run(&self) -> bool {
        self.has_run
    }

    /// Returns the moment since which there has been a free slot, if there is one.
    #[must_use]
    pub(crate) fn roomy_since(&self) -> Option<Instant> {
        (self.taken.all < self.count).then_some(self.roomy_since)
    }

    /// Returns the recent average of the time that a caller's job holds its slot; `None` before the
    /// first.
    #[must_use]
    pub(crate) fn service(&self) -> Option<Duration> {
        self.service
    }

    pub(super) fn held(&mut self, span: Duration) {
        self.service = Some(match self.service {
            Some(before) => (before * (AVERAGED - 1) + span) / AVERAGED,
            None => span,
        });
    }

    /// Returns the number of slots that there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns the slots that are taken.
    pub(super) fn taken(&self) -> Taken {
        self.taken
    }

    /// Updates the slots that are taken.
    pub(super) fn becomes(&mut self, taken: Taken, now: Instant) {
        let (ran, was_full) = (self.running() > 0, self.taken.all == self.count);
        self.taken = taken;
        if self.running() > 0 {
            self.has_run = true;
        } else if ran {
            self.quiet_since = now;
        }
        if was_full && taken.all < self.count {
            self.roomy_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_jobs_take() {
        let mut activity = Activity::new(1, Instant::now());
        assert_eq!(activity.service(), None);
        activity.held(Duration::from_millis(400));
        assert_eq!(activity.service(), Some(Duration::from_millis(400)));
        for _ in 0..100 {
            activity.held(Duration::from_millis(50));
        }
        let after = activity.service().unwrap();
        assert!(after < Duration::from_millis(55), "{after:?}");
    }

    fn taken(all: usize, unattended: usize, borrowed: usize) -> Taken {
        Taken {
            all,
            unattended,
            borrowed,
        }
    }

    #[test]
    fn an_unattended_job_does_not_end_the_quiet() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut activity = Activity::new(2, start);
        activity.becomes(taken(1, 1, 0), at(1));
        assert_eq!(activity.quiet_for(at(2)), Some(Duration::from_secs(2)));
        assert!(!activity.has_run());
        activity.becomes(taken(2, 1, 0), at(2));
        assert_eq!((activity.running(), activity.free()), (1, 0));
        assert_eq!(activity.quiet_for(at(3)), None);
        assert_eq!(activity.roomy_since(), None);
        activity.becomes(taken(1, 1, 0), at(4));
        assert_eq!(activity.quiet_for(at(5)), Some(Duration::from_secs(1)));
        assert_eq!(activity.roomy_since(), Some(at(4)));
        assert!(activity.has_run());
    }

    #[test]
    fn a_borrowed_slot_is_taken_and_no_further_job() {
        let start = Instant::now();
        let mut activity = Activity::new(3, start);
        activity.becomes(taken(3, 1, 1), start);
        assert_eq!((activity.running(), activity.unattended()), (1, 1));
        assert_eq!((activity.free(), activity.roomy_since()), (0, None));
    }
}
