//! How busy the slots are, and with whose jobs.

use std::time::Duration;

use tokio::time::Instant;

/// How many of the last jobs make up the average, about.
const AVERAGED: u32 = 16;

/// How busy the slots are, and since when. Told anew whenever a slot is taken or freed.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    /// Slots taken, for whomever.
    pub(super) taken: usize,
    /// Those of them that are taken by jobs that nobody waits for.
    pub(super) unattended: usize,
    pub(super) count: usize,
    /// When somebody's job ran last.
    quiet_since: Instant,
    /// When all slots were taken last.
    roomy_since: Instant,
    has_run: bool,
    /// For how long one was held lately, on average.
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

    /// How many jobs run that somebody waits for.
    #[must_use]
    pub fn running(&self) -> usize {
        self.taken.saturating_sub(self.unattended)
    }

    /// How many run that nobody waits for.
    #[must_use]
    pub fn unattended(&self) -> usize {
        self.unattended
    }

    /// How many slots are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.count.saturating_sub(self.taken)
    }

    /// For how long no job has run that somebody waited for, if none runs.
    #[must_use]
    pub fn quiet_for(&self, now: Instant) -> Option<Duration> {
        (self.running() == 0).then(|| now.saturating_duration_since(self.quiet_since))
    }

    /// Whether there was such a job, ever.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.has_run
    }

    /// Since when there has been a free slot, if there is one.
    #[must_use]
    pub fn roomy_since(&self) -> Option<Instant> {
        (self.taken < self.count).then_some(self.roomy_since)
    }

    /// For how long a job that somebody waited for has held a slot lately, on average; `None`
    /// before the first.
    #[must_use]
    pub fn service(&self) -> Option<Duration> {
        self.service
    }

    pub(super) fn held(&mut self, span: Duration) {
        self.service = Some(match self.service {
            Some(before) => (before * (AVERAGED - 1) + span) / AVERAGED,
            None => span,
        });
    }

    /// So many are taken now, so many of them by jobs that nobody waits for.
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
    fn what_nobody_waits_for_is_no_disquiet() {
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
