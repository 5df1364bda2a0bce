//! The API's consumer of unclaimed replies, for its recorder. On a connection of its own: a recorder
//! that is stuck for long makes the broker close the channel, which must not cost the waiters
//! their reply queue.

use std::sync::Arc;

use async_trait::async_trait;
use lapin::{Acker, Channel};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::connected::Connected;
use super::replies::read;
use super::streams::{Slot, Subscription, cancel, consume};
use super::supervisor::{Built, Unit};
use super::tags::{Settlement, settle};
use super::topology::RESULTS;
use crate::unclaimed::UNCLAIMED_RETRY;
use crate::{Fate, QueueError, Unclaimed};
use warren_protocol::ids::InstanceId;
use warren_protocol::reply::Reply;

/// The unit that consumes unclaimed replies.
pub(super) struct Recording {
    pub(super) instance: InstanceId,
    pub(super) recorder: Slot<Unclaimed>,
}

#[async_trait]
impl Unit for Recording {
    type Session = ();
    const PURPOSE: &'static str = "consume results";

    async fn build(
        &self,
        connected: &Arc<Connected>,
        _number: u64,
        stop: &CancellationToken,
    ) -> Result<Built<()>, QueueError> {
        let channel = connected.lasting_channel().await?;
        let tag = self.instance.as_str().to_owned();
        let (recorder, stop) = (self.recorder.clone(), stop.clone());
        let work = async move {
            let recording = async {
                let subscription = recorder.subscribed().await;
                pass_on(&channel, &tag, subscription).await
            };
            if let Some(Err(error)) = stop.run_until_cancelled(recording).await {
                return error;
            }
            stop.cancelled().await;
            QueueError::Closed
        };
        Ok(Built {
            session: (),
            work: Box::pin(work),
        })
    }
}

/// Passes unclaimed replies to the recorder until its subscription ends.
async fn pass_on(
    channel: &Channel,
    tag: &str,
    subscription: Subscription<Unclaimed>,
) -> Result<(), QueueError> {
    let mut consumer = consume(channel, RESULTS, tag, subscription.prefetch).await?;
    while let Some(delivered) = subscription
        .next_of(&mut consumer, RESULTS, "consume unclaimed replies")
        .await?
    {
        match read(&delivered) {
            None => settle(&delivered.acker, Settlement::Reject).await?,
            Some(reply) => {
                let unclaimed = tagged(reply, delivered.acker);
                drop(subscription.sender.send(unclaimed).await);
            }
        }
    }
    for delivered in cancel(channel, consumer).await? {
        settle(&delivered.acker, Settlement::Requeue).await?;
    }
    Ok(())
}

/// An unclaimed reply by its delivery tag.
fn tagged(reply: Reply, acker: Acker) -> Unclaimed {
    let job = reply.job_id;
    // It may be dropped outside of the runtime.
    let runtime = Handle::current();
    let settle_as = move |fate| {
        runtime.spawn(async move {
            let settled = match fate {
                Fate::Recorded => settle(&acker, Settlement::Ack).await,
                Fate::Dropped => {
                    tokio::time::sleep(UNCLAIMED_RETRY).await;
                    settle(&acker, Settlement::Requeue).await
                }
            };
            if let Err(error) = settled {
                tracing::debug!(job.id = %job, %error, ?fate, "unclaimed reply comes again");
            }
        });
    };
    Unclaimed::new(reply, Box::new(settle_as))
}
