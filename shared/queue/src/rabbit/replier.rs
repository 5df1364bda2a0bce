//! What a consumer publishes: a reply to where it is awaited, or else to where it is recorded; and
//! a job that it hands back or that came back.

use std::time::Duration;

use lapin::BasicProperties;
use tokio::time::{Instant, timeout, timeout_at};

use super::message::{
    Journey, dead_job_properties, encode, job_properties, reply_properties, turn_properties,
};
use super::publisher::{Message, PublishError, Published, Publisher};
use super::supervisor::Link;
use super::topology::{DEAD_JOBS, EXCHANGE, RESULTS, SUSPECTS, TURNS, queue_of};
use super::tries::Tries;
use crate::QueueError;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

/// How long a reply is tried to be sent, over as many connections as that takes.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the broker may take to confirm one attempt.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);
/// How long handing a job back waits for a connection to publish on.
const HAND_BACK_WAIT: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Publishes replies.
#[derive(Clone)]
pub(super) struct Replier(pub(super) Link<Publisher>);

impl Replier {
    /// Sends `reply` to the queue `reply_to`, or if that is gone, to [`RESULTS`].
    pub(super) async fn send(
        &self,
        reply_to: Option<&str>,
        reply: &Reply,
    ) -> Result<(), QueueError> {
        let body = encode(reply).map_err(|error| {
            tracing::error!(job.id = %reply.job_id, %error, "reply cannot be written as JSON");
            QueueError::Refused(RESULTS)
        })?;
        let job = reply.job_id;
        if let Some(reply_to) = reply_to {
            // The default exchange routes by queue name.
            match self.persist("", reply_to, job, &body).await? {
                Published::Confirmed => return Ok(()),
                Published::Returned | Published::Refused => {
                    tracing::info!(job.id = %job, "nobody awaits the reply any more; keeping it to be recorded");
                }
            }
        }
        match self.persist(EXCHANGE, RESULTS, job, &body).await? {
            Published::Confirmed => Ok(()),
            Published::Returned | Published::Refused => Err(QueueError::Refused(RESULTS)),
        }
    }

    /// Queues `job` once more, if that can be done soon.
    pub(super) async fn hand_back(
        &self,
        job: &Job,
        journey: Journey<'_>,
    ) -> Result<(), QueueError> {
        let queue = queue_of(job, journey.class);
        self.publish_job(queue, job, job_properties(job, journey))
            .await
    }

    /// Queues `job`, which came back, to be run alone; if that can be done soon.
    pub(super) async fn suspect(&self, job: &Job, journey: Journey<'_>) -> Result<(), QueueError> {
        self.suspect_again(job, journey).await?;
        let turn = turn_properties(job, journey.class);
        match self.publish(TURNS, turn, &[]).await {
            // Each turn leads to whichever suspect is the next, and there are plenty.
            Err(QueueError::Refused(_)) => Ok(()),
            done => done,
        }
    }

    /// Queues a suspect once more, whose turn is still there.
    pub(super) async fn suspect_again(
        &self,
        job: &Job,
        journey: Journey<'_>,
    ) -> Result<(), QueueError> {
        self.publish_job(SUSPECTS, job, job_properties(job, journey))
            .await
    }

    /// Puts `job` among the dead, if that can be done soon.
    pub(super) async fn put_aside(
        &self,
        job: &Job,
        tries: Tries,
        reason: &str,
    ) -> Result<(), QueueError> {
        let properties = dead_job_properties(job, tries, reason);
        self.publish_job(DEAD_JOBS, job, properties).await
    }

    async fn publish_job(
        &self,
        queue: &'static str,
        job: &Job,
        properties: BasicProperties,
    ) -> Result<(), QueueError> {
        let body = encode(job).map_err(|error| {
            tracing::error!(job.id = %job.id, %error, "job cannot be written as JSON");
            QueueError::Refused(queue)
        })?;
        self.publish(queue, properties, &body).await
    }

    async fn publish(
        &self,
        queue: &'static str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), QueueError> {
        let message = Message {
            exchange: EXCHANGE,
            routing_key: queue,
            properties,
            body,
        };
        let publisher = timeout(HAND_BACK_WAIT, self.0.soon())
            .await
            .map_err(|_elapsed| QueueError::Disconnected)??;
        match publisher.publish(message, CONFIRM_TIMEOUT).await? {
            Published::Confirmed => Ok(()),
            Published::Refused => Err(QueueError::Refused(queue)),
            Published::Returned => {
                // Somebody deleted the queue or its binding. Building anew declares it again.
                tracing::error!(queue, "the queue is gone; declaring it again");
                publisher.connected().give_up(QueueError::Disconnected);
                Err(QueueError::Disconnected)
            }
        }
    }

    /// Publishes until the broker says what it made of it.
    async fn persist(
        &self,
        exchange: &str,
        routing_key: &str,
        job: JobId,
        body: &[u8],
    ) -> Result<Published, QueueError> {
        let deadline = Instant::now() + REPLY_TIMEOUT;
        loop {
            let publisher = timeout_at(deadline, self.0.soon())
                .await
                .map_err(|_elapsed| QueueError::Disconnected)??;
            let message = Message {
                exchange,
                routing_key,
                properties: reply_properties(job),
                body,
            };
            let error = match publisher.publish(message, CONFIRM_TIMEOUT).await {
                Ok(published) => return Ok(published),
                Err(PublishError::NotSent(error @ QueueError::TooLarge { .. })) => {
                    return Err(error);
                }
                Err(error) => QueueError::from(error),
            };
            tracing::warn!(job.id = %job, %error, "reply not confirmed; sending it again");
            if Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
