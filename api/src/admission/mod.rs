//! Who may have a job run: nobody whose job would not be started early enough to be done in time.
//! Such a caller is told at once, and when to come again (docs/ARCHITECTURE.md, *Admission*).

mod model;
#[cfg(test)]
mod simulation;
mod supply;
#[cfg(test)]
mod tests;

pub(crate) use model::Refused;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use warren_shared::queue::JobQueue;

use model::Model;
use supply::Supply;

/// How long what workers said is taken as it was.
const FRESH: Duration = Duration::from_millis(100);

/// Admits jobs.
pub(crate) struct Admission {
    queue: Arc<dyn JobQueue>,
    state: Mutex<State>,
}

struct State {
    model: Model,
    asked: Option<Instant>,
}

impl Admission {
    /// For jobs that go into this queue.
    pub(crate) fn new(queue: Arc<dyn JobQueue>) -> Arc<Self> {
        let model = Model::new(Instant::now());
        let state = Mutex::new(State { model, asked: None });
        Arc::new(Self { queue, state })
    }

    /// Whether a job that has this long would be admitted now. To be asked first: it costs next to
    /// nothing.
    pub(crate) fn check(&self, left: Duration) -> Result<(), Refused> {
        self.state().model.check(Instant::now(), left)
    }

    /// Admits a job that has this long.
    pub(crate) fn admit(self: &Arc<Self>, left: Duration) -> Result<Admitted, Refused> {
        let now = Instant::now();
        let mut state = self.state();
        state.model.check(now, left)?;
        state.model.entered(now);
        drop(state);
        Ok(Admitted {
            admission: Arc::clone(self),
            served: None,
        })
    }

    /// For how long a new job would wait at most; `None` while nobody knows.
    pub(crate) fn forecast(&self) -> Option<Duration> {
        let forecast = self.state().model.forecast()?;
        Duration::try_from_secs_f64(forecast).ok()
    }

    /// When somebody should come again for whom there is no room at all.
    pub(crate) fn refuse(&self) -> Refused {
        self.state().model.refuse_anyway(Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.asked.is_none_or(|asked| now - asked >= FRESH) {
            state.asked = Some(now);
            let supply = Supply::of(&self.queue.workers(), self.queue.waiting());
            state.model.supplied(now, supply);
        }
        state
    }
}

/// A job's place among those in flight, given up when dropped.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    served: Option<Duration>,
}

impl Admitted {
    /// A worker has run the job and was busy with it that long.
    pub(crate) fn served(mut self, service: Duration) {
        self.served = Some(service);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.model.left(Instant::now(), self.served);
    }
}
