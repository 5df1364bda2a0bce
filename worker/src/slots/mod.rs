//! Execution slots: bound how many jobs this worker runs at a time.
//!
//! Jobs from the queue and over HTTP share them.
//!
//! Unattended jobs get the slots that others leave, and may be asked to give them back. A job whose
//! runs have sandboxes of their own may use free slots for further runs.

mod activity;
mod returnable;
pub(crate) mod spare;
mod terms;

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

pub(crate) use activity::Activity;
use activity::Taken;
pub(crate) use returnable::WantedBack;
use returnable::{Given, Request, Returnable};
use terms::Terms;

/// The slots. A job holds one from before its container is made until its reply is sent.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    count: NonZeroU16,
    activity: watch::Sender<Activity>,
    returnable: Returnable,
}

/// One slot, or all of them for one job that must run alone; freed when dropped.
pub(crate) struct Slot {
    taken: Instant,
    permit: Option<OwnedSemaphorePermit>,
    slots: Slots,
    terms: Terms,
    /// Its entry among those that may be asked back, if it is one.
    given: Option<Given>,
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
            returnable: Returnable::default(),
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
        let _requests: Vec<Request> = std::iter::from_fn(|| self.ask(Terms::Attended)).collect();
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
        self.take_idle(Terms::Lent)
    }

    /// Takes a slot of these terms, if one is free and no job waits for one.
    fn take_idle(&self, terms: Terms) -> Option<Slot> {
        let mut permit = None;
        self.activity.send_if_modified(|activity| {
            // In here, so that the slot counts as one of its terms from its first moment on.
            permit = Arc::clone(&self.free).try_acquire_owned().ok();
            if permit.is_some() {
                self.count_one_more(activity, terms);
            }
            permit.is_some()
        });
        Some(self.slot(permit?, terms))
    }

    async fn take_as(&self, terms: Terms) -> Option<Slot> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_none_is_free) => {
                let _request = self.ask(terms);
                self.free.clone().acquire_owned().await.ok()?
            }
        };
        self.activity
            .send_modify(|activity| self.count_one_more(activity, terms));
        Some(self.slot(permit, terms))
    }

    fn slot(&self, permit: OwnedSemaphorePermit, terms: Terms) -> Slot {
        let given = match terms {
            Terms::Attended | Terms::Due => None,
            Terms::Lent | Terms::Borrowed => Some(self.returnable.enter(terms)),
        };
        Slot {
            taken: Instant::now(),
            permit: Some(permit),
            slots: self.clone(),
            terms,
            given,
        }
    }

    fn ask(&self, terms: Terms) -> Option<Request> {
        self.returnable.ask(terms)
    }

    fn count_one_more(&self, activity: &mut Activity, terms: Terms) {
        let mut taken = activity.taken();
        if let Some(count) = terms.counted(&mut taken) {
            *count += 1;
        }
        self.update(activity, taken);
    }

    /// Updates how many are taken. Called with the activity locked, so that the last of concurrent
    /// updates is right, and with the counts of both kinds together, so that no job counts as one of
    /// the other kind.
    fn update(&self, activity: &mut Activity, taken: Taken) {
        let all = activity.count().saturating_sub(self.free());
        activity.becomes(Taken { all, ..taken }, Instant::now());
    }

    fn publish(&self) {
        self.activity
            .send_modify(|activity| self.update(activity, activity.taken()));
    }
}

struct PublishWhenDropped<'a>(&'a Slots);

impl Drop for PublishWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.publish();
    }
}

impl Slot {
    /// Creates a wait for the moment at which this slot must be given back, since another job needs it.
    #[must_use]
    pub(crate) fn wanted_back(&self) -> WantedBack {
        let given = self.given.as_ref();
        given.map_or_else(WantedBack::never, Given::wanted_back)
    }

    /// Returns whether another job has asked for it.
    #[cfg(test)]
    pub(crate) fn is_asked_back(&self) -> bool {
        self.given.as_ref().is_some_and(Given::is_asked_back)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(given) = &self.given {
            self.slots.returnable.leave(given);
        }
        let span = self.taken.elapsed();
        self.slots.activity.send_modify(|activity| {
            drop(self.permit.take());
            let mut taken = activity.taken();
            match self.terms.counted(&mut taken) {
                Some(count) => *count = count.saturating_sub(1),
                None => activity.held(span),
            }
            self.slots.update(activity, taken);
        });
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
        assert!(last.is_asked_back() && !first.is_asked_back());
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
        assert!(lent.is_asked_back());
        drop((lent, needed));
        alone.await.unwrap();
        assert_eq!((seen.borrow().unattended(), slots.free()), (0, 2));
    }

    #[tokio::test]
    async fn the_end_of_an_unattended_job_does_not_end_the_quiet() {
        let slots = Slots::new(NonZeroU16::MIN);
        drop(slots.take().await);
        let last_caller = Instant::now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(slots.lend());
        let (seen, now) = (slots.activity(), Instant::now());
        let quiet = seen.borrow().quiet_for(now);
        assert!(quiet >= Some(now - last_caller), "{quiet:?}");
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
        assert!(!due.is_asked_back());
        drop(due);
        assert!(needed.await.is_some());
    }
}
