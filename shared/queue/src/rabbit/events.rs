//! Job events on RabbitMQ.

use lapin::Consumer;

use super::connected::Connected;
use super::news;
use super::publisher::Publisher;
use super::supervisor::Link;
use super::topology::{EVENTS, declare_event_queue};
use crate::QueueError;
use crate::bulletin::Bulletin;
use warren_protocol::event::{JobEvent, PUBLISH_TIMEOUT};

/// Tells every API; says nothing if that cannot be done now.
pub(super) async fn publish(publisher: &Link<Publisher>, event: &JobEvent) {
    let told = news::tell(publisher, (EVENTS, "warren.event"), event, PUBLISH_TIMEOUT).await;
    if let Err(error) = told {
        tracing::debug!(job.id = %event.job_id, %error, "an event could not be told");
    }
}

/// Passes on what is told, for as long as the connection stands.
pub(super) async fn listen(connected: &Connected, name: &str, events: &Bulletin) -> ! {
    let subscribe = || subscribe(connected, name);
    let heard = |event: JobEvent| {
        if event.version == JobEvent::VERSION {
            events.publish(event);
        }
    };
    news::listen("job events", subscribe, heard).await
}

async fn subscribe(connected: &Connected, name: &str) -> Result<Consumer, QueueError> {
    let channel = connected.channel().await?;
    declare_event_queue(&channel, name).await?;
    news::consume(&channel, name, "consume the queue of job events").await
}

/// The name of an API's queue for events, beside its reply queue.
pub(super) fn queue_name(instance: &str, number: u64) -> String {
    format!("{EVENTS}.{instance}.{number}")
}
