//! The jobs that a worker holds, by id.
//!
//! By this it recognises one that is delivered to it again. A connection that is lost takes the messages of its jobs with it, but not their runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapin::types::ShortString;
use warren_protocol::ids::JobId;

use super::token::HeldToken;
use crate::rabbit::wire::held::HeldMessage;

/// The register of one worker. It holds no more jobs than the worker does.
#[derive(Default)]
pub(crate) struct HeldJobs(Mutex<HashMap<JobId, Vec<Arc<Place>>>>);

/// A job's message, as the broker delivered it last.
pub(crate) struct Carried {
    pub(crate) message: HeldMessage,
    /// The token by which a suspect was taken.
    pub(crate) token: Option<HeldToken>,
    /// The queue on which the reply is awaited.
    pub(crate) reply_to: Option<ShortString>,
}

/// The place of one held job.
struct Place {
    company: Company,
    carried: Mutex<Option<Carried>>,
}

/// The conditions under which a held job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// Beside other jobs.
    Others,
    /// Alone: it is a suspect.
    Alone,
}

/// A job that is held, until this is dropped.
pub(crate) struct JobInHand {
    register: Arc<HeldJobs>,
    job: JobId,
    place: Arc<Place>,
}

impl HeldJobs {
    /// Enters a job that was delivered.
    pub(crate) fn hold(
        self: &Arc<Self>,
        job: JobId,
        company: Company,
        carried: Carried,
    ) -> JobInHand {
        let place = Arc::new(Place {
            company,
            carried: Mutex::new(Some(carried)),
        });
        self.lock().entry(job).or_default().push(Arc::clone(&place));
        JobInHand {
            register: Arc::clone(self),
            job,
            place,
        }
    }

    /// Gives a message that came back to the run of its job, if the job is held here and the message
    /// of that run was lost. Returns it otherwise.
    pub(crate) fn adopt(&self, job: JobId, carried: Carried) -> Option<Carried> {
        let register = self.lock();
        for place in register.get(&job).into_iter().flatten() {
            let mut place = lock(&place.carried);
            if place.as_ref().is_some_and(|lost| !lost.message.is_ours()) {
                *place = Some(carried);
                return None;
            }
        }
        Some(carried)
    }

    /// Returns the jobs held alone whose messages were lost.
    pub(crate) fn orphans(&self) -> Vec<JobId> {
        let register = self.lock();
        let lost = |place: &Arc<Place>| {
            place.company == Company::Alone
                && lock(&place.carried)
                    .as_ref()
                    .is_some_and(|carried| !carried.message.is_ours())
        };
        let lost = register
            .iter()
            .filter(|(_, places)| places.iter().any(lost));
        lost.map(|(job, _)| *job).collect()
    }

    fn leave(&self, job: JobId, left: &Arc<Place>) {
        let mut register = self.lock();
        if let Some(places) = register.get_mut(&job) {
            places.retain(|place| !Arc::ptr_eq(place, left));
            if places.is_empty() {
                register.remove(&job);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Vec<Arc<Place>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobInHand {
    pub(crate) fn id(&self) -> JobId {
        self.job
    }

    pub(crate) fn company(&self) -> Company {
        self.place.company
    }

    /// Returns whether the message is still ours.
    pub(crate) fn is_ours(&self) -> bool {
        lock(&self.place.carried)
            .as_ref()
            .is_some_and(|carried| carried.message.is_ours())
    }

    /// Returns the queue on which the reply is awaited.
    pub(crate) fn reply_to(&self) -> Option<ShortString> {
        lock(&self.place.carried).as_ref()?.reply_to.clone()
    }

    /// Takes the message, to settle it. From now on none is adopted.
    pub(crate) fn take(&self) -> Option<Carried> {
        lock(&self.place.carried).take()
    }
}

impl Drop for JobInHand {
    fn drop(&mut self) {
        self.register.leave(self.job, &self.place);
    }
}

fn lock(carried: &Mutex<Option<Carried>>) -> MutexGuard<'_, Option<Carried>> {
    carried.lock().unwrap_or_else(PoisonError::into_inner)
}
