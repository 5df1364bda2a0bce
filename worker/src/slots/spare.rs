//! Spare slots: free ones that a job may use for further runs.

use tokio::sync::watch;

use super::terms::Terms;
use super::{Activity, Slot, Slots};

/// The slots that a job may use beside its own, while no other job needs them.
pub(crate) trait SpareSlots: Send + Sync {
    /// Takes a free slot for one run, unless another job needs it. It is to be given back when that run
    /// is over, or sooner if it is wanted back ([`Slot::wanted_back`]).
    fn spare(&self) -> Option<Slot>;

    /// Subscribes to changes after which there may be one.
    fn changes(&self) -> watch::Receiver<Activity>;
}

/// Spare slots for a job that a caller waits for.
///
/// Such a slot is freed after each run, and whoever waits for a slot has it then: the semaphore hands
/// it over before a next run can take it. A caller's job that finds none free has one sooner if that
/// run takes long.
impl SpareSlots for Slots {
    fn spare(&self) -> Option<Slot> {
        self.take_idle(Terms::Borrowed)
    }

    fn changes(&self) -> watch::Receiver<Activity> {
        self.activity()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    #[tokio::test]
    async fn a_spare_slot_goes_to_whoever_waits_as_soon_as_its_run_is_over() {
        let slots = Slots::new(NonZeroU16::MIN.saturating_add(2));
        let seen = slots.activity();
        let own = slots.take().await.unwrap();
        let further = [slots.spare().unwrap(), slots.spare().unwrap()];
        assert!(slots.spare().is_none(), "there are three");
        assert_eq!((seen.borrow().running(), slots.free()), (1, 0));
        let mut caller = Box::pin(slots.take());
        assert!(futures_util::poll!(&mut caller).is_pending());

        let [first, second] = further;
        assert!(second.is_asked_back() && !first.is_asked_back());
        drop(first);
        assert!(slots.spare().is_none(), "the caller is first");
        let caller = caller.await.unwrap();
        assert_eq!(seen.borrow().running(), 2);
        assert!(!second.is_asked_back(), "nobody waits any more");
        drop((caller, own));
        assert_eq!((seen.borrow().running(), slots.free()), (0, 2));
        assert!(
            seen.borrow()
                .quiet_for(tokio::time::Instant::now())
                .is_some()
        );
        drop(second);
        assert_eq!(slots.free(), 3);
    }

    #[tokio::test]
    async fn a_job_that_must_run_alone_gets_every_slot_after_one_run() {
        let slots = Slots::new(NonZeroU16::MIN.saturating_add(1));
        let (own, further) = (slots.take().await.unwrap(), slots.spare().unwrap());
        let mut alone = Box::pin(slots.take_all());
        assert!(futures_util::poll!(&mut alone).is_pending());
        drop(further);
        assert!(slots.spare().is_none());
        drop(own);
        assert!(slots.spare().is_none());
        assert!(alone.await.is_some());
    }

    #[tokio::test]
    async fn a_further_run_does_not_count_as_the_service_of_a_job() {
        let slots = Slots::new(NonZeroU16::MIN);
        drop(slots.spare().unwrap());
        assert_eq!(slots.activity().borrow().service(), None);
        drop(slots.take().await);
        assert!(slots.activity().borrow().service().is_some());
    }
}
