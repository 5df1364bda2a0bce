//! Admission control: refuses a job at once if it could not finish in time.
//!
//! The refusal says when to retry (`docs/design/admission.md`).

mod fair_queue;
mod in_flight;
mod model;
#[cfg(test)]
mod simulation;
mod supply;
#[cfg(test)]
mod tests;
mod turns;
mod window;

pub(crate) use in_flight::InFlight;
pub(crate) use model::Refused;

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;
use warren_protocol::ids::{CallerTag, RoomId};
use warren_queue::ApiQueue;

use crate::metrics::Metrics;
use crate::sync::Lock;
use fair_queue::{FairQueue, Owner, Position};
use model::Model;
use supply::Supply;
use window::{Company, Mixture, Window};

/// How long the workers' announcements are used before they are read again.
const FRESH: Duration = Duration::from_millis(100);
/// How often the workers are checked while nothing else happens.
const LOOK: Duration = Duration::from_millis(250);

/// Admits jobs, and lets them go to the queue caller by caller, and room by room.
pub(crate) struct Admission {
    queue: Arc<dyn ApiQueue>,
    state: Lock<State>,
}

struct State {
    model: Model,
    asked: Option<Instant>,
    supply: Option<Supply>,
    fair_queue: FairQueue<oneshot::Sender<()>>,
    callers: Mixture<CallerTag>,
    rooms: Mixture<Owner>,
}

impl Admission {
    /// Creates the admission of jobs to this queue.
    pub(crate) fn new(queue: Arc<dyn ApiQueue>) -> Arc<Self> {
        let state = Lock::new(State {
            model: Model::new(Instant::now()),
            asked: None,
            supply: None,
            fair_queue: FairQueue::default(),
            callers: Mixture::default(),
            rooms: Mixture::default(),
        });
        Arc::new(Self { queue, state })
    }

    /// Checks whether a job of that caller and room with this much time would be admitted now.
    /// Cheap, so call it before anything else.
    pub(crate) fn check(
        &self,
        caller: CallerTag,
        room: &str,
        left: Duration,
    ) -> Result<(), Refused> {
        let room = room.to_owned();
        let mut state = self.state();
        let before = state.fair_queue.ahead_of(&Owner { caller, room });
        state.model.check(Instant::now(), left, before)
    }

    /// Admits a job of that caller and room with this much time.
    pub(crate) fn admit(
        self: &Arc<Self>,
        caller: CallerTag,
        room: &RoomId,
        left: Duration,
    ) -> Result<Admitted, Refused> {
        let owner = Owner {
            caller,
            room: room.to_string(),
        };
        let now = Instant::now();
        let mut state = self.state();
        let before = state.fair_queue.ahead_of(&owner);
        state.model.check(now, left, before)?;
        state.model.entered(now);
        state.callers.came(caller, now);
        state.rooms.came(owner.clone(), now);
        let (sender, turn) = oneshot::channel();
        let position = state.fair_queue.wait(&owner, sender);
        state.send(now);
        drop(state);
        Ok(Admitted {
            admission: Arc::clone(self),
            owner,
            position,
            turn,
            served: None,
        })
    }

    /// Returns the longest that a new job of a caller without jobs would wait; `None` while it is
    /// unknown.
    pub(crate) fn forecast(&self) -> Option<Duration> {
        let forecast = self.state().model.forecast(0)?;
        Duration::try_from_secs_f64(forecast).ok()
    }

    /// Registers how long a new job would wait.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        let admission = Arc::clone(self);
        metrics.register_gauge(
            "admission_wait_seconds",
            "For how long a new job would wait at most, as admission has it; absent while no worker is ready",
            move || admission.forecast(),
        );
    }

    /// Refuses a request that found no permit, and says when to retry.
    pub(crate) fn refuse(&self) -> Refused {
        self.state().model.refuse_anyway(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.asked.is_none_or(|asked| now - asked >= FRESH) {
            state.asked = Some(now);
            state.supply = Supply::of(&self.queue.workers(), self.queue.waiting());
            let supply = state.supply;
            state.model.supplied(now, supply);
            state.send(now);
        }
        state
    }
}

impl State {
    /// Sends the jobs whose turn it is.
    fn send(&mut self, now: Instant) {
        let company = Company {
            callers: self.callers.is_mixed(now),
            rooms: self.rooms.is_mixed(now),
        };
        let window = Window::of(self.supply, company);
        while let Some(turn) = self.fair_queue.send(window) {
            // A job that no longer waits is about to leave.
            let _gone = turn.send(());
        }
        self.model.queued(now, self.fair_queue.sent());
    }
}

/// An admitted job, removed from the queue when it is dropped.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    owner: Owner,
    position: Position,
    turn: oneshot::Receiver<()>,
    served: Option<Duration>,
}

impl Admitted {
    /// Waits until it is the job's turn to go to the queue. Jobs of other callers and rooms may go
    /// first, and only about as many go at a time as workers can run. Nothing is lost if the wait is dropped.
    pub(crate) async fn turn(&mut self) {
        loop {
            tokio::select! {
                biased;
                _ = &mut self.turn => return,
                // Re-reads the workers' announcements.
                () = sleep(LOOK) => drop(self.admission.state()),
            }
        }
    }

    /// Reports that a worker has run the job and was busy with it that long.
    pub(crate) fn served(mut self, service: Duration) {
        self.served = Some(service);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let (mut state, now) = (self.admission.state(), Instant::now());
        state.model.left(now, self.served);
        state.fair_queue.leave(&self.owner, self.position);
        state.send(now);
    }
}
