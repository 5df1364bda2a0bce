//! A worker's dealings with the other workers about jobs whose messages were lost.
//!
//! The broker reports that a job came back, and not whether its worker died or only its connection.
//! A worker that lives says so itself, as long as it still has the job.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_protocol::ids::{InstanceId, JobId};

use super::claims::Claims;
use super::held_jobs::HeldJobs;
use crate::rabbit::broadcast::claims::{self, CLAIM_EVERY, Word};
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::supervisor::Link;
use crate::rabbit::publish::Publisher;

/// One worker's side of these dealings.
pub(crate) struct Colleagues {
    pub(crate) worker: InstanceId,
    pub(crate) publisher: Link<Publisher>,
    /// What others said.
    pub(crate) claims: Claims,
    /// What this worker has.
    pub(crate) held: Arc<HeldJobs>,
    pub(crate) tasks: TaskTracker,
}

impl Colleagues {
    /// Tells the others about a job, without waiting.
    pub(crate) fn tell(&self, job: JobId, word: Word) {
        if word == Word::Answered {
            self.claims.heard(job, word);
        }
        let (publisher, worker) = (self.publisher.clone(), self.worker.clone());
        // Bounded by the jobs that a worker holds: each is told of once, at its end.
        self.tasks
            .spawn(async move { claims::publish(&publisher, &worker, job, word).await });
    }

    /// Claims every suspect whose message was lost, again and again until `stop`.
    pub(crate) async fn claim_orphans(self: Arc<Self>, stop: CancellationToken) {
        let claiming = async {
            loop {
                tokio::time::sleep(CLAIM_EVERY).await;
                for job in self.held.orphans() {
                    claims::publish(&self.publisher, &self.worker, job, Word::Held).await;
                }
            }
        };
        stop.run_until_cancelled(claiming).await;
    }

    /// Listens to the others for as long as the connection is up. No two builds of the connection
    /// have the same `number`.
    pub(crate) async fn listen(&self, connected: &Connected, number: u64) -> ! {
        let receive = |job, word| self.claims.heard(job, word);
        claims::listen(connected, (&self.worker, number), receive).await
    }
}
