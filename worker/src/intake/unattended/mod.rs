//! The scheduler of unattended jobs: holds each, fetched and not begun, until its turn.
//!
//! [`RoomTurns`] decides which job is next, `policy` when it begins.

mod policy;
mod share;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use warren_protocol::job::Job;
use warren_queue::RoomTurns;

use crate::slots::{Slot, Slots};
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
    /// Returns a token that is cancelled once a caller's job needs the slot: this one goes back to
    /// the queue.
    #[must_use]
    pub fn wanted_back(&self) -> CancellationToken {
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
