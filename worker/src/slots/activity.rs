//! The slots' activity: how many are taken, by jobs of which kind, and since when.

use std::time::Duration;

use tokio::time::Instant;

/// The approximate number of last jobs that make up the average.
const AVERAGED: u32 = 16;

/// The slots' activity, published whenever a slot is taken or freed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activity {
    /// The number of slots that are taken, by any job.
    pub(super) taken: usize,
    /// The number of those that unattended jobs have.
    pub(super) unattended: usize,
    pub(super) count: usize,
    /// The moment at which a caller's job ran last.
    quiet_since: Instant,
    /// The moment at which all slots were taken last.
    roomy_since: Instant,
    has_run: bool,
    /// The recent average of the time that a caller's job holds its slot.
    service: Option<Duration>,
}

impl Activity {
    pub(super) fn new(count: usize, now: Instant) -> Self {
        Self {
            taken: 0,
            unattended: 0,
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
        self.taken.saturating_sub(self.unattended)
    }

    /// Returns the number of running unattended jobs.
    #[must_use]
    pub(crate) fn unattended(&self) -> usize {
        self.unattended
    }

    /// Returns the number of free slots.
    #[must_use]
    pub(crate) fn free(&self) -> usize {
        self.count.saturating_sub(self.taken)
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
        (self.taken < self.count).then_some(self.roomy_since)
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

    /// Updates the counts: `taken` slots, `unattended` of them by unattended jobs.
    pub(super) fn becomes(&mut self, taken: usize, unattended: usize, now: Instant) {
        let (ran, was_full) = (self.running() > 0, self.taken == self.count);
        (self.taken, self.unattended) = (taken, unattended);
        if self.running() > 0 {
            self.has_run = true;
        } else if ran {
            self.quiet_since = now;
        }
        if was_full && taken < self.count {
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

    #[test]
    fn an_unattended_job_does_not_end_the_quiet() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut activity = Activity::new(2, start);
        activity.becomes(1, 1, at(1));
        assert_eq!(activity.quiet_for(at(2)), Some(Duration::from_secs(2)));
        assert!(!activity.has_run());
        activity.becomes(2, 1, at(2));
        assert_eq!((activity.running(), activity.free()), (1, 0));
        assert_eq!(activity.quiet_for(at(3)), None);
        assert_eq!(activity.roomy_since(), None);
        activity.becomes(1, 1, at(4));
        assert_eq!(activity.quiet_for(at(5)), Some(Duration::from_secs(1)));
        assert_eq!(activity.roomy_since(), Some(at(4)));
        assert!(activity.has_run());
    }
}
