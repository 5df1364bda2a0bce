//! Execution slots: bound how many jobs this worker runs at a time.
//!
//! Jobs from the queue and over HTTP share them.
//!
//! Unattended jobs get the slots that others leave, and may be asked to give them back.

mod activity;

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use activity::Activity;

/// The slots. A job holds one from before its container is made until its reply is sent.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    count: NonZeroU16,
    activity: watch::Sender<Activity>,
    /// The signals that ask for lent slots back, in the order in which they were lent.
    lent: Arc<Mutex<Vec<CancellationToken>>>,
}

/// One slot, or all of them for one job that must run alone; freed when dropped.
pub(crate) struct Slot {
    taken: Instant,
    permit: Option<OwnedSemaphorePermit>,
    slots: Slots,
    terms: Terms,
    wanted_back: CancellationToken,
}

/// The terms on which a job has its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Terms {
    /// A caller waits for the job.
    Attended,
    /// The job is unattended, and its turn has come.
    Due,
    /// The job is unattended, and no other job needs the slot.
    Lent,
}

impl Slots {
    /// Makes `count` slots.
    #[must_use]
    pub(crate) fn new(count: NonZeroU16) -> Self {
        let slots = usize::from(count.get());
        Self {
            free: Arc::new(Semaphore::new(slots)),
            count,
            activity: watch::Sender::new(Activity::new(slots, Instant::now())),
            lent: Arc::default(),
        }
    }

    /// Returns the number of slots.
    #[must_use]
    pub(crate) fn count(&self) -> NonZeroU16 {
        self.count
    }

    /// Returns the number of slots that are free now.
    #[must_use]
    pub(crate) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Subscribes to how busy the slots are.
    #[must_use]
    pub(crate) fn activity(&self) -> watch::Receiver<Activity> {
        self.activity.subscribe()
    }

    /// Takes a slot for a job that a caller waits for, as soon as one is free. If none is, asks for one
    /// that was lent.
    pub(crate) async fn take(&self) -> Option<Slot> {
        self.take_as(Terms::Attended).await
    }

    /// Takes all slots for one job, as soon as no other job runs. From this call on no other job
    /// begins; meanwhile every slot counts as taken.
    pub(crate) async fn take_all(&self) -> Option<Slot> {
        let all = u32::from(self.count.get());
        while self.ask_back() {}
        // If the wait is dropped, the slots that were set aside for it are free again.
        let given_up = PublishWhenDropped(self);
        let permit = self.free.clone().acquire_many_owned(all).await.ok()?;
        drop(given_up);
        Some(self.slot(permit, Terms::Attended))
    }

    /// Takes a slot, if one becomes free in time.
    pub(crate) async fn take_within(&self, within: Duration) -> Option<Slot> {
        tokio::time::timeout(within, self.take())
            .await
            .ok()
            .flatten()
    }

    /// Takes a slot for an unattended job whose turn has come: waits for it like any other job.
    pub(crate) async fn take_due(&self) -> Option<Slot> {
        self.take_as(Terms::Due).await
    }

    /// Lends a slot to an unattended job, if one is free and no job waits for one. The job must give
    /// it back on request ([`Slot::wanted_back`]).
    #[must_use]
    pub(crate) fn lend(&self) -> Option<Slot> {
        let mut lent = None;
        // In here, so that the job counts as unattended from its slot's first moment on.
        self.activity.send_if_modified(|activity| {
            let Ok(permit) = self.free.clone().try_acquire_owned() else {
                return false;
            };
            activity.unattended += 1;
            lent = Some(permit);
            false
        });
        let slot = self.slot(lent?, Terms::Lent);
        self.lent().push(slot.wanted_back.clone());
        Some(slot)
    }

    async fn take_as(&self, terms: Terms) -> Option<Slot> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_none_is_free) => {
                self.ask_back();
                self.free.clone().acquire_owned().await.ok()?
            }
        };
        if terms == Terms::Due {
            self.activity.send_if_modified(|activity| {
                activity.unattended += 1;
                false
            });
        }
        Some(self.slot(permit, terms))
    }

    fn slot(&self, permit: OwnedSemaphorePermit, terms: Terms) -> Slot {
        self.publish();
        Slot {
            taken: Instant::now(),
            permit: Some(permit),
            slots: self.clone(),
            terms,
            wanted_back: CancellationToken::new(),
        }
    }

    /// Asks for the slot that was lent last. Returns whether one was.
    fn ask_back(&self) -> bool {
        let last = self.lent().pop();
        last.is_some_and(|lent| {
            lent.cancel();
            true
        })
    }

    fn lent(&self) -> MutexGuard<'_, Vec<CancellationToken>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self) {
        self.activity.send_modify(|activity| {
            // Counted in here, so that the last of concurrent updates is right.
            let taken = activity.count.saturating_sub(self.free());
            activity.becomes(taken, activity.unattended, Instant::now());
        });
    }
}

struct PublishWhenDropped<'a>(&'a Slots);

impl Drop for PublishWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.publish();
    }
}

impl Slot {
    /// Returns a token that is cancelled once another job needs this slot, if it was only lent.
    #[must_use]
    pub(crate) fn wanted_back(&self) -> CancellationToken {
        self.wanted_back.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.terms == Terms::Lent {
            // Those that were asked for back are off the list already. Cancelling this one marks it
            // among the others.
            self.wanted_back.cancel();
            self.slots.lent().retain(|lent| !lent.is_cancelled());
        }
        let span = self.taken.elapsed();
        self.slots.activity.send_if_modified(|activity| {
            // Together, so that no job counts as one of the other kind.
            drop(self.permit.take());
            match self.terms {
                Terms::Attended => activity.held(span),
                Terms::Due | Terms::Lent => activity.unattended -= 1,
            }
            // The following call notifies the subscribers.
            false
        });
        self.slots.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn activity_shows_what_runs_and_since_when_it_is_quiet() {
        let slots = Slots::new(NonZeroU16::MIN.saturating_add(1));
        let seen = slots.activity();
        let activity = || *seen.borrow();
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
    async fn one_job_may_take_all_slots_and_nothing_overtakes_it() {
        let slots = Slots::new(NonZeroU16::MIN.saturating_add(2));
        let seen = slots.activity();
        let running = slots.take().await.unwrap();
        let mut alone = Box::pin(slots.take_all());
        assert!(futures_util::poll!(&mut alone).is_pending());
        assert!(slots.take_within(Duration::from_millis(20)).await.is_none());
        let mut later = Box::pin(slots.take());
        assert!(futures_util::poll!(&mut later).is_pending());
        drop(running);
        let alone = alone.await.unwrap();
        assert_eq!(slots.free(), 0);
        assert_eq!(seen.borrow().roomy_since(), None);
        assert!(futures_util::poll!(&mut later).is_pending());
        drop(alone);
        let later = later.await.unwrap();
        assert_eq!((slots.free(), seen.borrow().running()), (2, 1));

        // A dropped wait for all leaves no slot taken.
        let mut impatient = Box::pin(slots.take_all());
        assert!(futures_util::poll!(&mut impatient).is_pending());
        drop(impatient);
        assert_eq!((slots.free(), seen.borrow().running()), (2, 1));
        drop(later);
        assert_eq!((slots.free(), seen.borrow().running()), (3, 0));
    }

    #[tokio::test]
    async fn a_lent_slot_is_asked_for_back_by_a_job_that_finds_none() {
        let slots = Slots::new(NonZeroU16::MIN.saturating_add(1));
        let seen = slots.activity();
        let (first, last) = (slots.lend().unwrap(), slots.lend().unwrap());
        assert!(slots.lend().is_none());
        assert_eq!(
            (seen.borrow().unattended(), seen.borrow().running()),
            (2, 0)
        );
        assert!(seen.borrow().quiet_for(Instant::now()).is_some());

        let mut needed = Box::pin(slots.take());
        assert!(futures_util::poll!(&mut needed).is_pending());
        assert!(last.wanted_back().is_cancelled() && !first.wanted_back().is_cancelled());
        drop(last);
        let needed = needed.await.unwrap();
        assert_eq!(
            (seen.borrow().unattended(), seen.borrow().running()),
            (1, 1)
        );
        drop(first);
        assert_eq!(
            (seen.borrow().unattended(), seen.borrow().running()),
            (0, 1)
        );
        assert_eq!(
            seen.borrow().service(),
            None,
            "of jobs that a caller waits for"
        );

        let lent = slots.lend().unwrap();
        let mut alone = Box::pin(slots.take_all());
        assert!(futures_util::poll!(&mut alone).is_pending());
        assert!(lent.wanted_back().is_cancelled());
        drop((lent, needed));
        alone.await.unwrap();
        assert_eq!((seen.borrow().unattended(), slots.free()), (0, 2));
    }

    #[tokio::test]
    async fn a_due_job_waits_for_its_slot_and_keeps_it() {
        let slots = Slots::new(NonZeroU16::MIN);
        let seen = slots.activity();
        let running = slots.take().await.unwrap();
        let mut due = Box::pin(slots.take_due());
        assert!(futures_util::poll!(&mut due).is_pending());
        drop(running);
        let due = due.await.unwrap();
        assert_eq!(
            (seen.borrow().unattended(), seen.borrow().running()),
            (1, 0)
        );
        let mut needed = Box::pin(slots.take());
        assert!(futures_util::poll!(&mut needed).is_pending());
        assert!(!due.wanted_back().is_cancelled());
        drop(due);
        assert!(needed.await.is_some());
    }
}
