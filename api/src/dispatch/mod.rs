//! The ways to get a job run, tried in order, and how each can fail.

mod error;
mod queued;

pub(crate) use error::{DispatchError, failure_problem};

use std::sync::Arc;

use warren_shared::job::Job;
use warren_shared::queue::JobQueue;
use warren_shared::reply::Reply;

use crate::store::Recorder;
use warren_http::Budget;

/// The ways, in the order in which they are tried.
pub(crate) struct Dispatch {
    ways: Vec<Way>,
}

/// One way to get a job run.
pub(crate) enum Way {
    /// Through the queue, by whichever worker takes it.
    Queue(Arc<dyn JobQueue>),
}

impl Dispatch {
    /// Tries `ways` in their order.
    pub(crate) fn new(ways: Vec<Way>) -> Self {
        Self { ways }
    }

    /// Gets the job run and waits for the reply, within `budget`. A way that has certainly not
    /// taken the job hands it on to the next; if all have refused, the first one's refusal is
    /// told, since that is the one to be mended.
    pub(crate) async fn run(
        &self,
        job: &Job,
        budget: Budget,
        recorder: &Recorder,
    ) -> Result<Reply, DispatchError> {
        let mut refusal = None;
        for way in &self.ways {
            let Way::Queue(queue) = way;
            match queued::run(queue, job, budget, recorder).await {
                Err(error) if error.was_refused() => {
                    refusal.get_or_insert(error);
                }
                result => return result,
            }
        }
        Err(refusal.unwrap_or(DispatchError::NoWay))
    }
}
