//! Cancellations: an API tells all workers at once, each worker hears of them on a queue of its own.
//! None of this is durable, and one that is lost costs no more than a run that nobody wanted: the
//! job's deadline bounds it.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::Consumer;
use serde::{Deserialize, Serialize};

use super::connected::Connected;
use super::message::{cancellation_properties, correlation, decode, encode};
use super::publisher::{Message, Published, Publisher};
use super::streams::consume;
use super::supervisor::Link;
use super::tags::{Settlement, settle};
use super::topology::{CANCELLATIONS, declare_cancellation_queue};
use crate::cancellations::{Cancellations, REMEMBERED_FOR};
use crate::{CANCEL_TIMEOUT, QueueError};
use warren_protocol::ids::{InstanceId, JobId};
use warren_protocol::job::Job;
use warren_protocol::time::Deadline;

/// Cancellations under way from the broker at a time. Many, so that those of a whole queue of
/// callers that hang up together are there before their jobs.
const CANCELLATIONS_PREFETCH: u16 = 1024;

/// That a job is not wanted any more, as it stands on the wire.
#[derive(Serialize, Deserialize)]
pub(super) struct Cancellation {
    /// Version of this message; see [`Job::VERSION`].
    pub(super) version: u16,
    job: JobId,
    /// Until when it is to be remembered.
    #[serde(default = "briefly")]
    deadline: Deadline,
}

/// As long as versions did that did not say.
fn briefly() -> Deadline {
    Deadline::after(REMEMBERED_FOR)
}

/// Tells all workers that `job`, which may wait until `deadline`, is not wanted any more.
pub(super) async fn cancel(
    publisher: &Link<Publisher>,
    job: JobId,
    deadline: Deadline,
) -> Result<(), QueueError> {
    let cancellation = Cancellation {
        version: Job::VERSION,
        job,
        deadline,
    };
    let body = encode(&cancellation).map_err(|error| {
        tracing::error!(job.id = %job, %error, "cancellation cannot be written as JSON");
        QueueError::Refused(CANCELLATIONS)
    })?;
    let message = Message {
        exchange: CANCELLATIONS,
        routing_key: "",
        properties: cancellation_properties(job, deadline),
        body: &body,
    };
    match publisher.now()?.publish(message, CANCEL_TIMEOUT).await? {
        // Returned if there is no worker: then nobody has to be told.
        Published::Confirmed | Published::Returned => Ok(()),
        Published::Refused => Err(QueueError::Refused(CANCELLATIONS)),
    }
}

/// A worker's ear for cancellations, on one connection.
pub(super) struct Hearing {
    consumer: Consumer,
    cancellations: Arc<Cancellations>,
}

impl Hearing {
    /// Hears of all that are cancelled from now on. No two on a broker at a time may be of the
    /// same instance and number.
    pub(super) async fn begin(
        connected: &Connected,
        instance: &InstanceId,
        number: u64,
        cancellations: &Arc<Cancellations>,
    ) -> Result<Self, QueueError> {
        let name = format!("{CANCELLATIONS}.{instance}.{number}");
        let channel = connected.lasting_channel().await?;
        declare_cancellation_queue(&channel, &name).await?;
        let tag = instance.as_str();
        Ok(Self {
            consumer: consume(&channel, &name, tag, CANCELLATIONS_PREFETCH).await?,
            cancellations: Arc::clone(cancellations),
        })
    }

    /// Passes on what it hears; returns when it can hear no more.
    pub(super) async fn run(mut self) -> QueueError {
        loop {
            let delivered = match self.consumer.next().await {
                None => return QueueError::ConsumerCancelled(CANCELLATIONS),
                Some(Err(error)) => return QueueError::while_doing("hear of cancellations")(error),
                Some(Ok(delivered)) => delivered,
            };
            match decode::<Cancellation>(&delivered.data) {
                Ok(cancellation) => self
                    .cancellations
                    .cancel(cancellation.job, cancellation.deadline),
                Err(problem) => tracing::warn!(
                    job.id = correlation(&delivered.properties),
                    %problem,
                    "cancellation cannot be read; ignored"
                ),
            }
            if let Err(error) = settle(&delivered.acker, Settlement::Ack).await {
                return error;
            }
        }
    }
}
