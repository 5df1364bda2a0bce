//! Publishes what consumers pass on: replies, jobs handed back, jobs put aside.

use std::sync::Arc;
use std::time::Duration;

use lapin::BasicProperties;
use tokio::time::{Instant, timeout, timeout_at};

use super::Publishers;
use super::publisher::{Message, PublishError, Published, Publisher, QueueMessage};
use crate::QueueError;
use crate::rabbit::wire::message::{
    Journey, dead_job_properties, encode, job_properties, reply_properties, spare_token_properties,
    token_properties,
};
use crate::rabbit::wire::topology::{
    DEAD_JOBS, EXCHANGE, RESULTS, SUSPECTS, TURNS, exchange_of, queue_of,
};
use crate::rabbit::wire::tries::Tries;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

/// How long sending a reply is retried, over as many connections as that takes.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the broker may take to confirm one attempt.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);
/// How long handing a job back waits for a connection to publish on.
const HAND_BACK_WAIT: Duration = Duration::from_secs(1);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Publishes what consumers pass on.
#[derive(Clone)]
pub(crate) struct Replier(pub(crate) Publishers);

impl Replier {
    /// Sends `reply` to the queue `reply_to`, or if that is gone, to [`RESULTS`]. Each of the two is
    /// tried for as long as `patience`.
    pub(crate) async fn send(
        &self,
        reply_to: Option<&str>,
        reply: &Reply,
        patience: Duration,
    ) -> Result<(), QueueError> {
        let body = encode(reply).map_err(|error| {
            tracing::error!(job.id = %reply.job_id, %error, "failed to write a reply as JSON");
            QueueError::Refused(RESULTS)
        })?;
        let job = reply.job_id;
        if let Some(reply_to) = reply_to {
            match self
                .persist(exchange_of(reply_to), reply_to, job, &body, patience)
                .await?
            {
                Published::Confirmed => return Ok(()),
                Published::Returned | Published::Refused => {
                    tracing::info!(job.id = %job, "the reply is no longer awaited; publishing it to be recorded");
                }
            }
        }
        match self
            .persist(EXCHANGE, RESULTS, job, &body, patience)
            .await?
        {
            Published::Confirmed => Ok(()),
            Published::Returned | Published::Refused => Err(QueueError::Refused(RESULTS)),
        }
    }

    /// Queues `job` once more, if that can be done soon.
    pub(crate) async fn hand_back(
        &self,
        job: &Job,
        journey: Journey<'_>,
    ) -> Result<(), QueueError> {
        let queue = queue_of(job, journey.class);
        self.publish_job(queue, job, job_properties(job, journey))
            .await
    }

    /// Queues `job`, whose worker was lost, to be run alone; if that can be done soon.
    pub(crate) async fn suspect(&self, job: &Job, journey: Journey<'_>) -> Result<(), QueueError> {
        self.suspect_again(job, journey).await?;
        let token = token_properties(job, journey.class);
        match self.publish(TURNS, token, &[]).await {
            // A token leads to whichever suspect is the next, and there are plenty of them.
            Err(QueueError::Refused(_)) => Ok(()),
            done => done,
        }
    }

    /// Queues one more token, for a suspect that has lost its own.
    pub(crate) async fn another_token(&self) -> Result<(), QueueError> {
        self.publish(TURNS, spare_token_properties(), &[]).await
    }

    /// Queues a suspect once more, whose token is still there.
    pub(crate) async fn suspect_again(
        &self,
        job: &Job,
        journey: Journey<'_>,
    ) -> Result<(), QueueError> {
        self.publish_job(SUSPECTS, job, job_properties(job, journey))
            .await
    }

    /// Puts `job` aside among the dead letters, if that can be done soon.
    pub(crate) async fn put_aside(
        &self,
        job: &Job,
        tries: Tries,
        reason: &str,
    ) -> Result<(), QueueError> {
        let message = QueueMessage {
            queue: DEAD_JOBS,
            properties: dead_job_properties(job, tries, reason),
            body: &job_body(job, DEAD_JOBS)?,
        };
        // It may come just after the loss of a connection.
        drop(self.connected().await?);
        self.0.durable.to_queue(message, CONFIRM_TIMEOUT).await?;
        Ok(())
    }

    async fn publish_job(
        &self,
        queue: &'static str,
        job: &Job,
        properties: BasicProperties,
    ) -> Result<(), QueueError> {
        self.publish(queue, properties, &job_body(job, queue)?)
            .await
    }

    async fn publish(
        &self,
        queue: &'static str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), QueueError> {
        let message = QueueMessage {
            queue,
            properties,
            body,
        };
        let publisher = self.connected().await?;
        publisher.to_queue(message, CONFIRM_TIMEOUT).await?;
        Ok(())
    }

    /// The publisher, if it is connected soon.
    async fn connected(&self) -> Result<Arc<Publisher>, QueueError> {
        timeout(HAND_BACK_WAIT, self.0.interactive.soon())
            .await
            .map_err(|_elapsed| QueueError::Disconnected)?
    }

    /// Publishes until the broker confirms, refuses or returns the message.
    async fn persist(
        &self,
        exchange: &str,
        routing_key: &str,
        job: JobId,
        body: &[u8],
        patience: Duration,
    ) -> Result<Published, QueueError> {
        let deadline = Instant::now() + patience;
        loop {
            let publisher = timeout_at(deadline, self.0.interactive.soon())
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
            tracing::warn!(job.id = %job, %error, "cannot confirm a reply; publishing it again");
            if Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn job_body(job: &Job, queue: &'static str) -> Result<Vec<u8>, QueueError> {
    encode(job).map_err(|error| {
        tracing::error!(job.id = %job.id, %error, "failed to write a job as JSON");
        QueueError::Refused(queue)
    })
}
