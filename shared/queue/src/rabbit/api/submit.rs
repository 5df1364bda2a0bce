//! Submits jobs.
//!
//! For an interactive job: checks that there is a worker, registers the waiter, publishes, and waits
//! for the confirm (or for the reply, if that comes first). An unattended job is only published and
//! confirmed.

use std::sync::Arc;
use std::time::Duration;

use super::replies::ReplyQueue;
use crate::rabbit::link::supervisor::Link;
use crate::rabbit::publish::{PublishError, Publisher, Publishers, QueueMessage};
use crate::rabbit::wire::message::{Journey, Origin, encode, job_properties};
use crate::rabbit::wire::topology::queue_of;
use crate::waiters::Waiters;
use crate::{JobClass, PendingReply, QueueError, STATUS_TIMEOUT, SubmitError};
use warren_protocol::job::Job;

/// The longest that the broker may take to confirm a job, if its deadline leaves that much.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

/// The submitter of one API's jobs.
pub(crate) struct Submitter {
    pub(crate) publishers: Publishers,
    pub(crate) replies: Link<ReplyQueue>,
    pub(crate) waiters: Arc<Waiters>,
}

impl Submitter {
    pub(crate) async fn submit(&self, job: &Job) -> Result<PendingReply, SubmitError> {
        if job.deadline.has_passed() {
            return Err(SubmitError::DeadlinePassed);
        }
        let (replies, publisher) = self.check().map_err(|error| unreachable(job, &error))?;
        find_worker(&replies, job).await?;
        let mut pending = self.waiters.register(replies.epoch, job.id)?;
        let journey = Journey {
            class: JobClass::Interactive,
            reply_to: Some(&replies.name),
            origin: Origin::Submitted,
        };
        let body = body_of(job)?;
        let (message, within) = message(job, journey, &body)?;
        tokio::select! {
            biased;
            sent = publisher.to_queue(message, within) => sent.map_err(|error| unpublished(job, error))?,
            // A reply proves that the queue had the job, whatever happens to the confirm.
            () = pending.arrived() => {}
        }
        Ok(pending)
    }

    pub(crate) async fn submit_unattended(&self, job: &Job) -> Result<(), SubmitError> {
        if job.deadline.has_passed() {
            return Err(SubmitError::DeadlinePassed);
        }
        self.publisher().map_err(|error| unreachable(job, &error))?;
        let journey = Journey {
            class: JobClass::Unattended,
            reply_to: None,
            origin: Origin::Submitted,
        };
        let body = body_of(job)?;
        let (message, within) = message(job, journey, &body)?;
        let sent = self.publishers.durable.to_queue(message, within).await;
        sent.map_err(|error| unpublished(job, error))
    }

    /// Returns both connections, if a job can be submitted now.
    pub(crate) fn check(&self) -> Result<(Arc<ReplyQueue>, Arc<Publisher>), QueueError> {
        Ok((self.replies.now()?, self.publisher()?))
    }

    fn publisher(&self) -> Result<Arc<Publisher>, QueueError> {
        let publisher = self.publishers.interactive.now()?;
        publisher.connected().check_publishable()?;
        Ok(publisher)
    }
}

fn body_of(job: &Job) -> Result<Vec<u8>, SubmitError> {
    encode(job).map_err(|error| {
        tracing::error!(job.id = %job.id, %error, "failed to write a job as JSON");
        SubmitError::Unavailable
    })
}

/// Returns the message that submits the job, and how long the broker may take to confirm it.
fn message<'a>(
    job: &Job,
    journey: Journey<'_>,
    body: &'a [u8],
) -> Result<(QueueMessage<'a>, Duration), SubmitError> {
    let left = job.deadline.remaining();
    if left.is_zero() {
        return Err(SubmitError::DeadlinePassed);
    }
    let message = QueueMessage {
        queue: queue_of(job, journey.class),
        properties: job_properties(job, journey),
        body,
    };
    Ok((message, left.min(CONFIRM_TIMEOUT)))
}

fn unreachable(job: &Job, error: &QueueError) -> SubmitError {
    tracing::debug!(job.id = %job.id, %error, "cannot queue a job");
    SubmitError::Unavailable
}

/// Checks that there is a worker. The last answer is at most a second old, good enough to accept a
/// job; the broker is asked again before one is refused.
async fn find_worker(replies: &ReplyQueue, job: &Job) -> Result<(), SubmitError> {
    let connected = &replies.connected;
    if connected.last_status().is_some_and(|at| at.consumers > 0) {
        return Ok(());
    }
    let within = job.deadline.remaining().min(STATUS_TIMEOUT);
    match connected.ask(within).await {
        Ok(now) if now.consumers > 0 => Ok(()),
        Ok(_none) => Err(SubmitError::NoWorkers),
        Err(error) => {
            tracing::warn!(job.id = %job.id, %error, "cannot queue a job");
            Err(SubmitError::Unavailable)
        }
    }
}

fn unpublished(job: &Job, error: PublishError) -> SubmitError {
    match error {
        PublishError::NotSent(QueueError::Refused(_)) => SubmitError::Full,
        PublishError::NotSent(error) => {
            tracing::warn!(job.id = %job.id, %error, "cannot queue a job");
            SubmitError::Unavailable
        }
        PublishError::Unconfirmed(error) => {
            tracing::warn!(job.id = %job.id, %error, "cannot confirm whether a job is queued");
            SubmitError::Unconfirmed
        }
    }
}
