//! What the recorder holds, by job: to be read while it is on its way into the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use warren_protocol::ids::JobId;

use crate::store::Execution;

/// All that is held.
#[derive(Default)]
pub(super) struct Hand {
    // Of one job there may be two: that it is pending, and its result.
    executions: Mutex<HashMap<JobId, Vec<Arc<Execution>>>>,
}

/// One execution in the hand. Dropped, it is there no more.
pub(super) struct Held {
    execution: Arc<Execution>,
    hand: Arc<Hand>,
}

impl Hand {
    /// Takes one in hand.
    pub(super) fn hold(self: &Arc<Self>, execution: Execution) -> Held {
        let execution = Arc::new(execution);
        let held = Arc::clone(&execution);
        self.lock().entry(held.job_id).or_default().push(held);
        Held {
            execution,
            hand: Arc::clone(self),
        }
    }

    /// What is held of a job: what settles it, if that is there.
    pub(super) fn find(&self, job_id: JobId) -> Option<Execution> {
        let executions = self.lock();
        let held = executions.get(&job_id)?;
        let settled = held.iter().find(|execution| execution.is_settled());
        settled.or(held.first()).map(|found| found.as_ref().clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Vec<Arc<Execution>>>> {
        self.executions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    pub(super) fn execution(&self) -> &Execution {
        &self.execution
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut executions = self.hand.lock();
        if let Some(held) = executions.get_mut(&self.execution.job_id) {
            held.retain(|other| !Arc::ptr_eq(other, &self.execution));
            if held.is_empty() {
                executions.remove(&self.execution.job_id);
            }
        }
    }
}
