//! Execution slots: how many jobs this worker runs at a time, from the queue and over HTTP alike.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// The slots. A job holds one from before its container is made until its reply is out.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    count: NonZeroU16,
    activity: watch::Sender<Activity>,
}

/// One slot, or all of them for one job that must run alone; freed when dropped.
pub struct Slot {
    taken: Instant,
    permit: Option<OwnedSemaphorePermit>,
    slots: Slots,
}

/// How busy the slots are, and since when. Told anew whenever a slot is taken or freed.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    running: usize,
    count: usize,
    /// When a job ran last.
    quiet_since: Instant,
    /// When all slots were taken last.
    roomy_since: Instant,
    /// For how long one was held lately, on average.
    service: Option<Duration>,
}

/// How many of the last jobs make up the average, about.
const AVERAGED: u32 = 16;

impl Activity {
    /// How many jobs run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// For how long no job has run, if none runs.
    #[must_use]
    pub fn quiet_for(&self, now: Instant) -> Option<Duration> {
        (self.running == 0).then(|| now.saturating_duration_since(self.quiet_since))
    }

    /// Since when there has been a free slot, if there is one.
    #[must_use]
    pub fn roomy_since(&self) -> Option<Instant> {
        (self.running < self.count).then_some(self.roomy_since)
    }

    /// For how long a job has held a slot lately, on average; `None` before the first.
    #[must_use]
    pub fn service(&self) -> Option<Duration> {
        self.service
    }

    fn held(&mut self, span: Duration) {
        self.service = Some(match self.service {
            Some(before) => (before * (AVERAGED - 1) + span) / AVERAGED,
            None => span,
        });
    }
}

impl Slots {
    /// That many slots.
    #[must_use]
    pub fn new(count: NonZeroU16) -> Self {
        let now = Instant::now();
        let activity = Activity {
            running: 0,
            count: usize::from(count.get()),
            quiet_since: now,
            roomy_since: now,
            service: None,
        };
        Self {
            free: Arc::new(Semaphore::new(activity.count)),
            count,
            activity: watch::Sender::new(activity),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> NonZeroU16 {
        self.count
    }

    /// How many are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// How busy they are, now and whenever that changes.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.subscribe()
    }

    /// A slot, as soon as one is free.
    pub async fn take(&self) -> Option<Slot> {
        let permit = self.free.clone().acquire_owned().await.ok()?;
        self.tell();
        Some(Slot {
            taken: Instant::now(),
            permit: Some(permit),
            slots: self.clone(),
        })
    }

    /// All slots for one job, as soon as no other job runs. From when it is asked for, no other
    /// begins; meanwhile every slot counts as taken.
    pub async fn take_all(&self) -> Option<Slot> {
        let all = u32::from(self.count.get());
        // Those that were set aside for this are free again if nobody waits for it any more.
        let given_up = TellWhenDropped(self);
        let permit = self.free.clone().acquire_many_owned(all).await.ok()?;
        drop(given_up);
        Some(Slot {
            taken: Instant::now(),
            permit: Some(permit),
            slots: self.clone(),
        })
    }

    /// A slot, if one becomes free in time.
    pub async fn take_within(&self, within: Duration) -> Option<Slot> {
        tokio::time::timeout(within, self.take())
            .await
            .ok()
            .flatten()
    }

    fn tell(&self) {
        self.activity.send_modify(|activity| {
            // Counted in here, so that the last to tell is right whoever else tells.
            let running = activity.count.saturating_sub(self.free());
            let now = Instant::now();
            if activity.running > 0 && running == 0 {
                activity.quiet_since = now;
            }
            if activity.running == activity.count && running < activity.count {
                activity.roomy_since = now;
            }
            activity.running = running;
        });
    }
}

struct TellWhenDropped<'a>(&'a Slots);

impl Drop for TellWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.tell();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        let span = self.taken.elapsed();
        self.slots.activity.send_if_modified(|activity| {
            activity.held(span);
            // Told with what follows.
            false
        });
        self.slots.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_jobs_take() {
        let slots = Slots::new(NonZeroU16::MIN);
        let mut activity = *slots.activity().borrow();
        assert_eq!(activity.service(), None);
        activity.held(Duration::from_millis(400));
        assert_eq!(activity.service(), Some(Duration::from_millis(400)));
        for _ in 0..100 {
            activity.held(Duration::from_millis(50));
        }
        let after = activity.service().unwrap();
        assert!(after < Duration::from_millis(55), "{after:?}");
    }

    #[tokio::test]
    async fn activity_tells_what_runs_and_since_when_it_is_quiet() {
        let slots = Slots::new(NonZeroU16::MIN.saturating_add(1));
        let told = slots.activity();
        let activity = || *told.borrow();
        assert_eq!(activity().running(), 0);
        assert!(activity().quiet_for(Instant::now()).is_some());

        let one = slots.take().await;
        assert_eq!(activity().running(), 1);
        assert_eq!(activity().quiet_for(Instant::now()), None);
        assert!(activity().roomy_since().is_some());

        let two = slots.take().await;
        assert_eq!(activity().roomy_since(), None, "both are taken");
        let before = Instant::now();
        drop(one);
        assert_eq!(activity().running(), 1);
        assert!(activity().roomy_since() >= Some(before));

        let between = Instant::now();
        drop(two);
        let now = Instant::now();
        let quiet = activity().quiet_for(now).unwrap();
        assert!(quiet <= now - between, "quiet since the last one ended");
        assert!(
            activity().roomy_since() <= Some(between),
            "roomy since the first"
        );
    }

    #[tokio::test]
    async fn one_job_may_have_all_slots_and_nothing_overtakes_it() {
        let slots = Slots::new(NonZeroU16::MIN.saturating_add(2));
        let told = slots.activity();
        let running = slots.take().await.unwrap();
        let mut alone = Box::pin(slots.take_all());
        assert!(futures_util::poll!(&mut alone).is_pending());
        assert!(slots.take_within(Duration::from_millis(20)).await.is_none());
        let mut later = Box::pin(slots.take());
        assert!(futures_util::poll!(&mut later).is_pending());
        drop(running);
        let alone = alone.await.unwrap();
        assert_eq!(slots.free(), 0);
        assert_eq!(told.borrow().roomy_since(), None);
        assert!(futures_util::poll!(&mut later).is_pending());
        drop(alone);
        let later = later.await.unwrap();
        assert_eq!((slots.free(), told.borrow().running()), (2, 1));

        // Whoever gives up waiting for all leaves nothing taken.
        let mut impatient = Box::pin(slots.take_all());
        assert!(futures_util::poll!(&mut impatient).is_pending());
        drop(impatient);
        assert_eq!((slots.free(), told.borrow().running()), (2, 1));
        drop(later);
        assert_eq!((slots.free(), told.borrow().running()), (3, 0));
    }
}
