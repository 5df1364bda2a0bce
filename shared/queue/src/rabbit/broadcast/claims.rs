//! Claims of suspects, from a worker that lost their messages to all other workers.
//!
//! None of this is durable. A claim that is lost costs the job one of its tries, or one more run.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_protocol::ids::{InstanceId, JobId};
use warren_protocol::job::Job;

use super::fanout::Fanout;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::supervisor::Link;
use crate::rabbit::publish::Publisher;
use crate::rabbit::wire::own_queues::CLAIM_QUEUE;
use crate::rabbit::wire::topology::CLAIMS;

/// The interval at which a worker repeats that it still has a job.
pub(crate) const CLAIM_EVERY: Duration = Duration::from_millis(500);

/// The exchange of claims, from workers to all workers.
const FANOUT: Fanout = Fanout {
    exchange: CLAIMS,
    kind: "warren.claim",
    about: "claims of jobs",
    queue: CLAIM_QUEUE,
};

/// A worker's word about a job whose message it lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// Version of this message; see [`Job::VERSION`].
    pub(crate) version: u16,
    pub(crate) job: JobId,
    pub(crate) worker: InstanceId,
    pub(crate) word: Word,
}

/// What became of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// The worker lives, and the job runs or its reply waits to be published.
    Held,
    /// The reply is published: the job is not to be run again.
    Answered,
    /// The worker lives and gave the job up: it is to be run again.
    LetGo,
}

/// Publishes `word`, if that can be done now.
pub(crate) async fn publish(
    publisher: &Link<Publisher>,
    worker: &InstanceId,
    job: JobId,
    word: Word,
) {
    let claim = Claim {
        version: Job::VERSION,
        job,
        worker: worker.clone(),
        word,
    };
    if let Err(error) = FANOUT.publish(publisher, &claim, CLAIM_EVERY).await {
        tracing::debug!(job.id = %job, %error, ?word, "failed to publish the claim of a job");
    }
}

/// Passes the claims of other workers to `receive`, for as long as the connection is up.
pub(crate) async fn listen(
    connected: &Connected,
    (worker, number): (&InstanceId, u64),
    receive: impl Fn(JobId, Word),
) -> ! {
    let name = FANOUT.queue_name(worker.as_str(), number);
    let others = |claim: Claim| {
        if claim.version == Job::VERSION && claim.worker != *worker {
            receive(claim.job, claim.word);
        }
    };
    FANOUT.listen(connected, &name, others).await
}
