//! The scheduler of unattended jobs: holds each, fetched and not begun, until its turn.
//!
//! [`RoomTurns`] decides which job is next, `policy` when it begins.

mod policy;
mod share;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use warren_protocol::job::Job;
use warren_queue::RoomTurns;

use crate::slots::spare::SpareSlots;
use crate::slots::{Activity, Slot, Slots, WantedBack};
use policy::{Begun, Decision, Inputs};
pub use share::Share;

/// The longest wait when only a change can matter; a bound, in case a change goes unnoticed.
const UNTIL_A_CHANGE: Duration = Duration::from_secs(60);

/// A scheduler that lets unattended jobs begin, caller by caller and room by room in turn. Cheap to clone.
#[derive(Clone)]
pub struct UnattendedScheduler {
    slots: Slots,
    share: Share,
    turns: Arc<watch::Sender<RoomTurns<Ticket>>>,
    last: Arc<Mutex<Option<Run>>>,
}

/// The time for which an unattended job has a slot.
#[derive(Clone, Copy)]
struct Run {
    began: Instant,
    /// The moment at which it gave its slot back, if it has.
    ended: Option<Instant>,
}

/// A slot for one unattended job, freed when dropped.
pub struct UnattendedSlot {
    slot: Slot,
    began: Instant,
    last: Arc<Mutex<Option<Run>>>,
}

impl UnattendedScheduler {
    /// Creates a scheduler that takes from these slots, and no more than `share` of them while
    /// callers come.
    #[must_use]
    pub fn new(slots: Slots, share: Share) -> Self {
        Self {
            slots,
            share,
            turns: Arc::new(watch::Sender::new(RoomTurns::default())),
            last: Arc::default(),
        }
    }

    /// Waits until this unattended job may begin, and takes its slot. Dropping the wait
    /// passes its turn to the next job. Returns `None` once the worker's slots are closed.
    pub async fn slot(&self, job: &Job) -> Option<UnattendedSlot> {
        let waiting = Waiting::enter(&self.turns, job);
        waiting.until_next().await;
        let slot = self.next_slot().await?;
        waiting.begin();
        let began = Instant::now();
        *lock(&self.last) = Some(Run { began, ended: None });
        Some(UnattendedSlot {
            slot,
            began,
            last: Arc::clone(&self.last),
        })
    }

    /// Takes a slot once the policy lets the next job begin. Called for one job at a time.
    async fn next_slot(&self) -> Option<Slot> {
        let mut activity = self.slots.activity();
        loop {
            activity.mark_unchanged();
            let wait = match policy::decide(&self.inputs()) {
                Decision::Lend => match self.slots.lend() {
                    Some(slot) => return Some(slot),
                    // Another job took it at this moment, which is a change.
                    None => UNTIL_A_CHANGE,
                },
                Decision::StartNow => return self.slots.take_due().await,
                Decision::Wait(wait) => wait.min(UNTIL_A_CHANGE),
                Decision::Idle => UNTIL_A_CHANGE,
            };
            tokio::select! {
                _ = activity.changed() => {}
                () = sleep(wait) => {}
            }
        }
    }

    fn inputs(&self) -> Inputs {
        let (activity, now) = (*self.slots.activity().borrow(), Instant::now());
        let last = lock(&self.last).map(|last| Begun {
            ago: now - last.began,
            held: last.ended.unwrap_or(now) - last.began,
        });
        Inputs {
            slots: usize::from(self.slots.count().get()),
            free: activity.free(),
            unattended: activity.unattended(),
            share: self.share,
            has_run: activity.has_run(),
            quiet: activity.quiet_for(now),
            last,
        }
    }
}

/// Spare slots for an unattended job: those that the policy would let a further job begin on, while
/// none waits for its turn. All of them are lent, so a caller's job that finds none free has one back
/// at once.
impl SpareSlots for UnattendedScheduler {
    fn spare(&self) -> Option<Slot> {
        let others_wait = self.turns.borrow().next().is_some();
        let decision = policy::decide(&self.inputs());
        let is_theirs = matches!(decision, Decision::Lend | Decision::StartNow);
        (is_theirs && !others_wait)
            .then(|| self.slots.lend())
            .flatten()
    }

    fn changes(&self) -> watch::Receiver<Activity> {
        self.slots.activity()
    }
}

/// A waiting job, identified by being an allocation of its own.
type Ticket = Arc<()>;

/// A job that waits for its turn; leaves when dropped.
struct Waiting<'a> {
    turns: &'a watch::Sender<RoomTurns<Ticket>>,
    ticket: Ticket,
}

impl<'a> Waiting<'a> {
    fn enter(turns: &'a watch::Sender<RoomTurns<Ticket>>, job: &Job) -> Self {
        let ticket = Ticket::default();
        let caller = job.caller.unwrap_or_default();
        turns.send_modify(|turns| turns.push(caller, &job.room, Arc::clone(&ticket)));
        Self { turns, ticket }
    }

    async fn until_next(&self) {
        let mut turns = self.turns.subscribe();
        // The sender outlives this wait, so it cannot fail.
        let next = turns.wait_for(|turns| turns.next().is_some_and(|next| self.is(next)));
        drop(next.await);
    }

    fn begin(self) {
        self.turns.send_modify(|turns| drop(turns.take()));
    }

    fn is(&self, ticket: &Ticket) -> bool {
        Arc::ptr_eq(ticket, &self.ticket)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.turns
            .send_modify(|turns| drop(turns.remove(|ticket| self.is(ticket))));
    }
}

impl UnattendedSlot {
    /// Creates a wait until a caller's job needs the slot: this one goes back to the queue.
    #[must_use]
    pub(crate) fn wanted_back(&self) -> WantedBack {
        self.slot.wanted_back()
    }
}

impl Drop for UnattendedSlot {
    fn drop(&mut self) {
        let mut last = lock(&self.last);
        if let Some(last) = last.as_mut().filter(|last| last.began == self.began) {
            last.ended = Some(Instant::now());
        }
    }
}

fn lock(last: &Mutex<Option<Run>>) -> MutexGuard<'_, Option<Run>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use warren_protocol::ids::RoomId;
    use warren_protocol::limits::Limits;
    use warren_protocol::time::Deadline;

    use super::*;

    fn scheduler(slots: u16) -> (Slots, UnattendedScheduler) {
        let slots = Slots::new(NonZeroU16::new(slots).unwrap());
        (
            slots.clone(),
            UnattendedScheduler::new(slots, Share::default()),
        )
    }

    fn job() -> Job {
        let submission = serde_json::json!({
            "language": "python", "code": "1", "input": null, "test_cases": [],
        });
        Job::new(
            RoomId::direct(),
            serde_json::from_value(submission).unwrap(),
            Limits::default(),
            Deadline::after(Duration::from_secs(5)),
        )
    }

    #[tokio::test]
    async fn further_runs_have_idle_slots_and_a_caller_has_one_back_at_once() {
        let (slots, scheduler) = scheduler(3);
        let own = scheduler.slot(&job()).await.unwrap();
        let further = [scheduler.spare().unwrap(), scheduler.spare().unwrap()];
        assert!(scheduler.spare().is_none(), "every slot is taken");
        assert_eq!(slots.activity().borrow().unattended(), 3);

        let mut caller = Box::pin(slots.take());
        assert!(futures_util::poll!(&mut caller).is_pending());
        let [first, second] = further;
        assert!(second.is_asked_back());
        assert!(!first.is_asked_back() && !own.slot.is_asked_back());
        drop(second);
        let _caller = caller.await.unwrap();
        drop(first);
        assert!(scheduler.spare().is_none(), "beside a caller, a quarter");
    }

    #[tokio::test]
    async fn further_runs_have_none_while_another_job_waits_for_its_turn() {
        let (slots, scheduler) = scheduler(2);
        let _own = scheduler.slot(&job()).await.unwrap();
        let further = scheduler.spare().unwrap();
        let (other, mut next) = (job(), None);
        {
            let mut waiting = Box::pin(scheduler.slot(&other));
            assert!(futures_util::poll!(&mut waiting).is_pending());
            drop(further);
            assert_eq!(slots.free(), 1);
            assert!(scheduler.spare().is_none());
            next.replace(waiting.await.unwrap());
        }
        drop(next);
        assert!(scheduler.spare().is_some());
    }
}
