//! Job events on RabbitMQ.

use warren_protocol::event::{JobEvent, PUBLISH_TIMEOUT};

use super::fanout::Fanout;
use crate::event_bus::EventBus;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::supervisor::Link;
use crate::rabbit::publish::Publisher;
use crate::rabbit::wire::own_queues::EVENT_QUEUE;
use crate::rabbit::wire::topology::EVENTS;

/// The exchange of job events.
pub(crate) const FANOUT: Fanout = Fanout {
    exchange: EVENTS,
    kind: "warren.event",
    about: "job events",
    queue: EVENT_QUEUE,
};

/// Publishes `event` to every API, if that can be done now.
pub(crate) async fn publish(publisher: &Link<Publisher>, event: &JobEvent) {
    if let Err(error) = FANOUT.publish(publisher, event, PUBLISH_TIMEOUT).await {
        tracing::debug!(job.id = %event.job_id, %error, "failed to publish a job event");
    }
}

/// Passes events on to `bus` for as long as the connection is up.
pub(crate) async fn listen(connected: &Connected, name: &str, bus: &EventBus) -> ! {
    let receive = |event: JobEvent| {
        if event.version == JobEvent::VERSION {
            bus.publish(event);
        }
    };
    FANOUT.listen(connected, name, receive).await
}
