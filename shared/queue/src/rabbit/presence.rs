//! Workers' presence on RabbitMQ.

use std::time::{Duration, Instant};

use lapin::Consumer;

use super::connected::Connected;
use super::news;
use super::publisher::Publisher;
use super::supervisor::Link;
use super::topology::{PRESENCE, declare_presence_queue};
use crate::QueueError;
use crate::roll::Roll;
use warren_protocol::presence::{ANNOUNCE_EVERY, WorkerStatus};

/// How long an announcement may take. The next one is due then.
const ANNOUNCE_TIMEOUT: Duration = ANNOUNCE_EVERY;

/// Tells every API how this worker is; says nothing if that cannot be done now.
pub(super) async fn announce(publisher: &Link<Publisher>, status: &WorkerStatus) {
    let kind = (PRESENCE, "warren.presence");
    if let Err(error) = news::tell(publisher, kind, status, ANNOUNCE_TIMEOUT).await {
        tracing::debug!(%error, "this worker could not announce itself");
    }
}

/// Keeps `roll` by what workers announce, for as long as the connection stands.
pub(super) async fn listen(connected: &Connected, name: &str, roll: &Roll) -> ! {
    let subscribe = || subscribe(connected, name);
    let heard = |status: WorkerStatus| {
        if status.version == WorkerStatus::VERSION {
            roll.heard(status, Instant::now());
        }
    };
    news::listen("workers", subscribe, heard).await
}

async fn subscribe(connected: &Connected, name: &str) -> Result<Consumer, QueueError> {
    let channel = connected.channel().await?;
    declare_presence_queue(&channel, name).await?;
    news::consume(&channel, name, "consume the presence queue").await
}

/// The name of an API's queue for presence, beside its reply queue.
pub(super) fn queue_name(instance: &str, number: u64) -> String {
    format!("{PRESENCE}.{instance}.{number}")
}
