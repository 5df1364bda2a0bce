//! Jobs that nobody waits for: each is held here, fetched and not begun, until `policy` says that it
//! delays nobody, or that its class is due.

mod policy;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turns;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::pool::Pool;
use crate::slots::{Slot, Slots};
use policy::{Decision, Scene};

/// How long to wait when there is nothing to wait for but changes.
const LONG: Duration = Duration::from_secs(60);

/// Lets unattended jobs begin, in the order in which they came. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    slots: Slots,
    pool: Pool,
    /// Held by the one that is the next to begin.
    next: Arc<Turns<()>>,
    last: Arc<Mutex<Option<Run>>>,
}

/// An unattended job's time with a slot.
#[derive(Clone, Copy)]
struct Run {
    began: Instant,
    /// When it gave its slot back, if it has.
    ended: Option<Instant>,
}

/// A slot for one unattended job, freed when dropped.
pub struct Pass {
    slot: Slot,
    began: Instant,
    last: Arc<Mutex<Option<Run>>>,
}

impl Gate {
    /// In front of these slots, and behind what this pool has to do.
    #[must_use]
    pub fn new(slots: Slots, pool: Pool) -> Self {
        Self {
            slots,
            pool,
            next: Arc::default(),
            last: Arc::default(),
        }
    }

    /// Waits until an unattended job may begin, and takes its slot. Nothing is lost if the wait is
    /// dropped.
    pub async fn pass(&self) -> Option<Pass> {
        let _next = self.next.lock().await;
        let mut activity = self.slots.activity();
        loop {
            activity.mark_unchanged();
            let wait = match policy::decide(&self.scene()) {
                Decision::Borrow => match self.slots.lend() {
                    Some(slot) => return Some(self.begins(slot)),
                    // It was taken in this moment, which will be told.
                    None => LONG,
                },
                Decision::Insist => {
                    let slot = self.slots.take_due().await?;
                    return Some(self.begins(slot));
                }
                Decision::Wait(wait) => wait.min(LONG),
                Decision::Rest => LONG,
            };
            tokio::select! {
                _ = activity.changed() => {}
                () = sleep(wait) => {}
            }
        }
    }

    fn scene(&self) -> Scene {
        let (activity, now) = (*self.slots.activity().borrow(), Instant::now());
        let last = lock(&self.last).map(|last| {
            let held = last.ended.unwrap_or(now) - last.began;
            (now - last.began, held)
        });
        Scene {
            slots: usize::from(self.slots.count().get()),
            free: activity.free(),
            unattended: activity.unattended(),
            has_run: activity.has_run(),
            quiet: activity.quiet_for(now),
            is_refilling: self.pool.is_refilling(),
            last,
        }
    }

    fn begins(&self, slot: Slot) -> Pass {
        let began = Instant::now();
        *lock(&self.last) = Some(Run { began, ended: None });
        Pass {
            slot,
            began,
            last: Arc::clone(&self.last),
        }
    }
}

impl Pass {
    /// Cancelled once somebody else needs the slot: the job is to be handed back.
    #[must_use]
    pub fn wanted_back(&self) -> CancellationToken {
        self.slot.wanted_back()
    }
}

impl Drop for Pass {
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
