//! Cancellations, published to all workers; each worker receives them on a queue of its own.
//!
//! None of this is durable. A lost one costs no more than a run that was not wanted, which the job's
//! deadline bounds.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::Consumer;

use crate::cancellations::Cancellations;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::subscription::consume;
use crate::rabbit::link::supervisor::Link;
use crate::rabbit::publish::{Message, Published, Publisher};
use crate::rabbit::wire::message::{
    Cancellation, cancellation_properties, correlation, decode, encode,
};
use crate::rabbit::wire::own_queues::CANCELLATION_QUEUE;
use crate::rabbit::wire::settlement::{Settlement, settle};
use crate::rabbit::wire::topology::CANCELLATIONS;
use crate::{CANCEL_TIMEOUT, QueueError};
use warren_protocol::ids::{InstanceId, JobId};
use warren_protocol::time::Deadline;

/// The most unacknowledged cancellations at a time. Many, so that when a whole queue of callers
/// hangs up together, their cancellations arrive before their jobs.
const CANCELLATIONS_PREFETCH: u16 = 1024;

/// Notifies all workers that `job`, which may wait until `deadline`, is no longer wanted.
pub(crate) async fn cancel(
    publisher: &Link<Publisher>,
    job: JobId,
    deadline: Deadline,
) -> Result<(), QueueError> {
    let cancellation = Cancellation::new(job, deadline);
    let body = encode(&cancellation).map_err(|error| {
        tracing::error!(job.id = %job, %error, "failed to write a cancellation as JSON");
        QueueError::Refused(CANCELLATIONS)
    })?;
    let message = Message {
        exchange: CANCELLATIONS,
        routing_key: "",
        properties: cancellation_properties(job, deadline),
        body: &body,
    };
    match publisher.now()?.publish(message, CANCEL_TIMEOUT).await? {
        // It is returned if there is no worker to notify.
        Published::Confirmed | Published::Returned => Ok(()),
        Published::Refused => Err(QueueError::Refused(CANCELLATIONS)),
    }
}

/// A worker's consumer of cancellations, on one connection.
pub(crate) struct CancellationListener {
    consumer: Consumer,
    cancellations: Arc<Cancellations>,
}

impl CancellationListener {
    /// Receives all cancellations from now on. No two listeners on a broker may have the same
    /// instance and number.
    pub(crate) async fn begin(
        connected: &Connected,
        instance: &InstanceId,
        number: u64,
        cancellations: &Arc<Cancellations>,
    ) -> Result<Self, QueueError> {
        let name = format!("{CANCELLATIONS}.{instance}.{number}");
        let channel = connected.lasting_channel().await?;
        CANCELLATION_QUEUE.declare(&channel, &name).await?;
        let tag = instance.as_str();
        Ok(Self {
            consumer: consume(&channel, &name, tag, CANCELLATIONS_PREFETCH).await?,
            cancellations: Arc::clone(cancellations),
        })
    }

    /// Enters cancellations into the register; returns when the consumer is lost.
    pub(crate) async fn run(mut self) -> QueueError {
        loop {
            let delivered = match self.consumer.next().await {
                None => return QueueError::ConsumerCancelled(CANCELLATIONS),
                Some(Err(error)) => return QueueError::while_doing("consume cancellations")(error),
                Some(Ok(delivered)) => delivered,
            };
            match decode::<Cancellation>(&delivered.data) {
                Ok(cancellation) => self
                    .cancellations
                    .cancel(cancellation.job, cancellation.deadline),
                Err(problem) => tracing::warn!(
                    job.id = correlation(&delivered.properties),
                    %problem,
                    "cannot read a cancellation; ignored"
                ),
            }
            if let Err(error) = settle(&delivered.acker, Settlement::Ack).await {
                return error;
            }
        }
    }
}
