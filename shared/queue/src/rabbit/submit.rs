//! Submitting a job: is there a worker, register the waiter, publish, wait for the confirm (or for
//! the reply, if that is first). A job that nobody waits for is published and confirmed, no more.

use std::sync::Arc;
use std::time::Duration;

use super::message::{Journey, Origin, encode, job_properties};
use super::publisher::{Message, PublishError, Published, Publisher};
use super::replies::ReplyQueue;
use super::supervisor::Link;
use super::topology::{EXCHANGE, queue_of};
use crate::waiters::Waiters;
use crate::{JobClass, PendingReply, QueueError, STATUS_TIMEOUT, SubmitError};
use warren_protocol::job::Job;

/// How long the broker may take to confirm a job, if its deadline leaves that much.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

/// What it takes to submit.
pub(super) struct Submitter {
    pub(super) publisher: Link<Publisher>,
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
        tokio::select! {
            biased;
            published = publish(&publisher, job, journey) => published?,
            // Then the queue has had the job, whatever becomes of the confirm.
            () = pending.arrived() => {}
        }
        Ok(pending)
    }

    pub(super) async fn submit_unattended(&self, job: &Job) -> Result<(), SubmitError> {
        if job.deadline.has_passed() {
            return Err(SubmitError::DeadlinePassed);
        }
        let publisher = self.publisher().map_err(|error| unreachable(job, &error))?;
        let journey = Journey {
            class: JobClass::Unattended,
            reply_to: None,
            origin: Origin::Submitted,
        };
        publish(&publisher, job, journey).await
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

/// Publishes the job, and waits for the broker's word.
async fn publish(
    publisher: &Publisher,
    job: &Job,
    journey: Journey<'_>,
) -> Result<(), SubmitError> {
    let queue = queue_of(job, journey.class);
    let body = encode(job).map_err(|error| {
        tracing::error!(job.id = %job.id, %error, "job cannot be written as JSON");
        SubmitError::Unavailable
    })?;
    let left = job.deadline.remaining();
    if left.is_zero() {
        return Err(SubmitError::DeadlinePassed);
    }
    let message = Message {
        exchange: EXCHANGE,
        routing_key: queue,
        properties: job_properties(job, journey),
        body: &body,
    };
    let published = publisher
        .publish(message, left.min(CONFIRM_TIMEOUT))
        .await
        .map_err(|error| unpublished(job, error))?;
    match published {
        Published::Confirmed => Ok(()),
        Published::Refused => Err(SubmitError::Full),
        Published::Returned => {
            // Somebody deleted the queue or its binding. Building anew declares it again.
            tracing::error!(job.id = %job.id, queue, "the queue is gone; declaring it again");
            publisher.connected().give_up(QueueError::Disconnected);
            Err(SubmitError::Unavailable)
        }
    }
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
