//! Submitting a job: is there a worker, register the waiter, publish, wait for the confirm (or for
//! the reply, if that is first). A job that nobody waits for is published and confirmed, no more.

use std::sync::Arc;
use std::time::Duration;

use super::message::{Journey, Origin, encode, job_properties};
use super::pool::PooledPublisher;
use super::publisher::{PublishError, Publisher, QueueMessage};
use super::replies::ReplyQueue;
use super::supervisor::Link;
use super::topology::queue_of;
use crate::waiters::Waiters;
use crate::{JobClass, PendingReply, QueueError, STATUS_TIMEOUT, SubmitError};
use warren_protocol::job::Job;

/// How long the broker may take to confirm a job, if its deadline leaves that much.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

/// What it takes to submit.
pub(super) struct Submitter {
    pub(super) publisher: Link<Publisher>,
    /// For jobs that nobody waits for.
    pub(super) durable: PooledPublisher,
    pub(super) replies: Link<ReplyQueue>,
    pub(super) waiters: Arc<Waiters>,
}

impl Submitter {
    pub(super) async fn submit(&self, job: &Job) -> Result<PendingReply, SubmitError> {
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
            // Then the queue has had the job, whatever becomes of the confirm.
            () = pending.arrived() => {}
        }
        Ok(pending)
    }

    pub(super) async fn submit_unattended(&self, job: &Job) -> Result<(), SubmitError> {
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
        let sent = self.durable.to_queue(message, within).await;
        sent.map_err(|error| unpublished(job, error))
    }

    /// Both connections, if a job can be submitted now.
    pub(super) fn check(&self) -> Result<(Arc<ReplyQueue>, Arc<Publisher>), QueueError> {
        Ok((self.replies.now()?, self.publisher()?))
    }

    fn publisher(&self) -> Result<Arc<Publisher>, QueueError> {
        let publisher = self.publisher.now()?;
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

/// The message that submits the job, and how long the broker may take to confirm it.
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
        queue: queue_of(journey.class),
        properties: job_properties(job, journey),
        body,
    };
    Ok((message, left.min(CONFIRM_TIMEOUT)))
}

fn unreachable(job: &Job, error: &QueueError) -> SubmitError {
    tracing::debug!(job.id = %job.id, %error, "job not queued");
    SubmitError::Unavailable
}

/// What is known is at most a second old, good enough to accept a job; it is asked again before
/// one is refused.
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
            tracing::warn!(job.id = %job.id, %error, "job not queued");
            Err(SubmitError::Unavailable)
        }
    }
}

fn unpublished(job: &Job, error: PublishError) -> SubmitError {
    match error {
        PublishError::NotSent(QueueError::Refused(_)) => SubmitError::Full,
        PublishError::NotSent(error) => {
            tracing::warn!(job.id = %job.id, %error, "job not queued");
            SubmitError::Unavailable
        }
        PublishError::Unconfirmed(error) => {
            tracing::warn!(job.id = %job.id, %error, "not known whether the job is queued");
            SubmitError::Unconfirmed
        }
    }
}
