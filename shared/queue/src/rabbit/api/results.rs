//! The API's feed of replies that no waiter took, for its recorder.

use std::sync::Arc;

use lapin::message::Delivery;
use warren_protocol::ids::InstanceId;
use warren_protocol::reply::Reply;

use super::feed::Feed;
use super::replies::read;
use crate::rabbit::link::subscription::SingleSubscription;
use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::settlement::Settlement;
use crate::rabbit::wire::topology::RESULTS;
use crate::unclaimed::UNCLAIMED_RETRY;
use crate::{Fate, Unclaimed};

/// Creates a feed of unclaimed replies.
pub(crate) fn feed(
    instance: InstanceId,
    subscriber: SingleSubscription<Unclaimed>,
) -> Feed<Unclaimed> {
    let receive = |delivered: &Delivery| {
        let reply = read(delivered)?;
        let held = HeldMessage::returning_after(delivered.acker.clone(), UNCLAIMED_RETRY);
        Some(unclaimed(reply, held))
    };
    Feed {
        queue: RESULTS,
        purpose: "consume results",
        instance,
        subscriber,
        receive: Arc::new(receive),
    }
}

fn unclaimed(reply: Reply, held: HeldMessage) -> Unclaimed {
    let job = reply.job_id;
    let settle = move |fate| match fate {
        Fate::Recorded => {
            let runtime = held.runtime().clone();
            runtime.spawn(async move {
                if let Err(error) = held.settle(Settlement::Ack).await {
                    tracing::debug!(
                        job.id = %job, %error,
                        "cannot acknowledge a recorded reply; it is delivered again"
                    );
                }
            });
        }
        Fate::Dropped => drop(held),
    };
    Unclaimed::new(reply, Box::new(settle))
}
