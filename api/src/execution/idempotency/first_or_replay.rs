//! Claims a request's key: the first one runs, any other is a replay.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use warren_http::Answers;
use warren_protocol::contract::Problem;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::reply::FailureCode;
use warren_protocol::time::EpochMillis;

use super::Keyed;
use crate::history::Recorder;
use crate::store::{Claim, ClaimKey, Claimed, End, Execution, OVERDUE, Store, StoreError};

/// How long a key refers to its job.
const LAPSES_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How many times one request tries a key whose claim keeps changing.
const LOOKS: usize = 4;
/// The longest that an answer waits for its key to be released.
const RELEASE_TIME: Duration = Duration::from_millis(500);
/// The most keys that are released at a time, and the attempts for each with the pause between
/// them.
const RELEASES: usize = 64;
const RELEASE_TRIES: u32 = 6;
const RELEASE_PAUSE: Duration = Duration::from_millis(500);
const RETRY_AFTER: Duration = Duration::from_secs(5);

static RELEASING: Semaphore = Semaphore::const_new(RELEASES);

/// The first request with a key, or a replay of an earlier one.
pub(crate) enum FirstOrReplay {
    /// The first: its job is to be run.
    First(HeldKey),
    /// A replay: to be answered about the job of an earlier request.
    Replay(JobId),
}

/// A key that is claimed for this request's job; nothing, for a request without a key.
#[must_use]
pub(crate) struct HeldKey(Option<(Arc<dyn Store>, ClaimKey, JobId)>);

impl HeldKey {
    /// Keeps the key claimed for its job.
    pub(crate) fn keep(self) {
        drop(self);
    }

    /// Releases the key of a job that will certainly not run, so that another may use it. A release
    /// that takes longer than a moment goes on in the background.
    pub(crate) async fn release(self) {
        let Some((store, key, job)) = self.0 else {
            return;
        };
        let task = tokio::spawn(release(store, key, job));
        let _ = tokio::time::timeout(RELEASE_TIME, task).await;
    }
}

/// The claims on keys, and the records of the jobs that they stand for.
pub(crate) struct Idempotency {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recorder: Arc<Recorder>,
    /// The bounds on what is read and answered.
    pub(crate) answers: Answers,
}

impl Idempotency {
    /// Returns whether a request is the first with its key, by `by` at the latest. A request
    /// without a key always is.
    pub(crate) async fn begin(
        &self,
        keyed: Option<Keyed>,
        job: &Job,
        by: Instant,
    ) -> Result<FirstOrReplay, Problem> {
        let Some(keyed) = keyed else {
            return Ok(FirstOrReplay::First(HeldKey(None)));
        };
        let claim = Claim {
            key: keyed.key.clone(),
            fingerprint: keyed.fingerprint,
            job: job.id,
            due_at: job.deadline.at(),
            lapses_at: EpochMillis::now() + LAPSES_AFTER,
        };
        // The store may hold the claim even if it does not answer, or if the caller leaves.
        let mut guard =
            UnconfirmedClaim(Some((Arc::clone(&self.store), claim.key.clone(), job.id)));
        match timeout_at(by, self.take(&claim)).await {
            Ok(Ok(None)) => Ok(FirstOrReplay::First(HeldKey(guard.0.take()))),
            Ok(Ok(Some(theirs))) => {
                guard.0 = None;
                if theirs.fingerprint == claim.fingerprint {
                    Ok(FirstOrReplay::Replay(theirs.job))
                } else {
                    Err(reused())
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot claim an idempotency key"
                );
                Err(store_unavailable())
            }
            Err(_elapsed) => Err(store_unavailable()),
        }
    }

    /// Claims the key. Returns `None` if the claim is this request's, else the claim that it lost
    /// to.
    async fn take(&self, claim: &Claim) -> Result<Option<Box<Claim>>, StoreError> {
        let mut instead_of = None;
        let mut looks = LOOKS;
        loop {
            let theirs = match self.store.claim(claim, instead_of).await? {
                Claimed::Won => return Ok(None),
                Claimed::By(theirs) => theirs,
            };
            looks -= 1;
            if looks == 0 || theirs.fingerprint != claim.fingerprint {
                return Ok(Some(theirs));
            }
            let record = self.recorder.find(theirs.job).await?;
            if !gives_way(&theirs, record.as_ref()) {
                return Ok(Some(theirs));
            }
            instead_of = Some(theirs.job);
        }
    }
}

/// Returns whether the job of an earlier request has no lasting result, so that this one may run:
/// its API died, or it failed in a way that a retry may fix.
fn gives_way(claim: &Claim, record: Option<&Execution>) -> bool {
    match record.map(|execution| &execution.end) {
        None | Some(End::Pending) => claim.due_at + OVERDUE < EpochMillis::now(),
        Some(End::Ran(_)) => false,
        Some(End::Failed(failure)) => failure.code != FailureCode::WorkerCrashed,
    }
}

/// A claim that the store may or may not have. Dropping it releases it.
struct UnconfirmedClaim(Option<(Arc<dyn Store>, ClaimKey, JobId)>);

impl Drop for UnconfirmedClaim {
    fn drop(&mut self) {
        let Some((store, key, job)) = self.0.take() else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(release(store, key, job));
        }
    }
}

/// Releases a key. If that fails, the key is free again well after the job was due.
async fn release(store: Arc<dyn Store>, key: ClaimKey, job: JobId) {
    let Ok(_permit) = RELEASING.try_acquire() else {
        return;
    };
    for _ in 0..RELEASE_TRIES {
        if store.release(&key, job).await.is_ok() {
            return;
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
}

fn reused() -> Problem {
    Problem::new(
        422,
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request in this room. Send another key with another request.",
    )
}

pub(super) fn store_unavailable() -> Problem {
    Problem::new(
        503,
        "store_unavailable",
        "The history cannot be reached, so nobody can tell whether this request has been run before, and it was not run now. Send it again later with the same Idempotency-Key, or without one if it may run twice.",
    )
    .retry_after(RETRY_AFTER)
}
