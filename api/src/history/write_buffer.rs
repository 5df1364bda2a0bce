//! Buffer of executions that are not yet in the store, readable by job.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use warren_protocol::ids::JobId;

use crate::store::Execution;
use crate::sync::Lock;

/// The buffered executions.
#[derive(Default)]
pub(super) struct WriteBuffer {
    // One job may have two: its pending record, and its result.
    executions: Lock<HashMap<JobId, Vec<Arc<Execution>>>>,
}

/// A buffered execution. Dropping it removes it from the buffer.
pub(super) struct Buffered {
    execution: Arc<Execution>,
    buffer: Arc<WriteBuffer>,
}

impl WriteBuffer {
    /// Buffers an execution.
    pub(super) fn hold(self: &Arc<Self>, execution: Execution) -> Buffered {
        let execution = Arc::new(execution);
        let buffered = Arc::clone(&execution);
        self.lock()
            .entry(buffered.job_id)
            .or_default()
            .push(buffered);
        Buffered {
            execution,
            buffer: Arc::clone(self),
        }
    }

    /// Returns the buffered execution of a job: the one that settles it, if there is one.
    pub(super) fn find(&self, job_id: JobId) -> Option<Execution> {
        let executions = self.lock();
        let buffered = executions.get(&job_id)?;
        let settled = buffered.iter().find(|execution| execution.is_settled());
        settled
            .or(buffered.first())
            .map(|found| found.as_ref().clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Vec<Arc<Execution>>>> {
        self.executions.lock()
    }
}

impl Buffered {
    pub(super) fn execution(&self) -> &Execution {
        &self.execution
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let mut executions = self.buffer.lock();
        if let Some(buffered) = executions.get_mut(&self.execution.job_id) {
            buffered.retain(|other| !Arc::ptr_eq(other, &self.execution));
            if buffered.is_empty() {
                executions.remove(&self.execution.job_id);
            }
        }
    }
}
