//! Workers' presence on RabbitMQ.

use std::time::{Duration, Instant};

use warren_protocol::presence::{ANNOUNCE_EVERY, WorkerStatus};

use super::fanout::Fanout;
use crate::rabbit::link::connection::Connected;
use crate::rabbit::link::supervisor::Link;
use crate::rabbit::publish::Publisher;
use crate::rabbit::wire::own_queues::PRESENCE_QUEUE;
use crate::rabbit::wire::topology::PRESENCE;
use crate::worker_registry::WorkerRegistry;

/// The longest that an announcement may take. The next one is due then.
const ANNOUNCE_TIMEOUT: Duration = ANNOUNCE_EVERY;

/// The exchange of workers' announcements.
pub(crate) const FANOUT: Fanout = Fanout {
    exchange: PRESENCE,
    kind: "warren.presence",
    about: "workers",
    queue: PRESENCE_QUEUE,
};

/// Announces this worker's state to every API, if that can be done now.
pub(crate) async fn announce(publisher: &Link<Publisher>, status: &WorkerStatus) {
    if let Err(error) = FANOUT.publish(publisher, status, ANNOUNCE_TIMEOUT).await {
        tracing::debug!(%error, "failed to announce this worker; the next announcement is due soon");
    }
}

/// Keeps `registry` up to date for as long as the connection is up.
pub(crate) async fn listen(connected: &Connected, name: &str, registry: &WorkerRegistry) -> ! {
    let receive = |status: WorkerStatus| {
        if status.version == WorkerStatus::VERSION {
            registry.update(status, Instant::now());
        }
    };
    FANOUT.listen(connected, name, receive).await
}
