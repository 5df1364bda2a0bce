//! Publishing with confirms: on the supervised connection, or on the pool of durable messages.

mod pool;
mod publisher;
mod replier;
mod shared_connection;

pub(crate) use pool::PooledPublisher;
pub(crate) use publisher::{Message, PublishError, Published, Publisher, QueueMessage};
pub(crate) use replier::{REPLY_TIMEOUT, Replier};

use super::link::config::RabbitConfig;
use super::link::life::Life;
use super::link::supervisor::{Link, supervise};
use publisher::PublishingUnit;

/// The connections that one handle of the queue publishes on.
#[derive(Clone)]
pub(crate) struct Publishers {
    /// The supervised connection, for messages that cannot wait.
    pub(crate) interactive: Link<Publisher>,
    /// The pool, for messages that are durable and sporadic.
    pub(crate) durable: PooledPublisher,
}

impl Publishers {
    /// Connects in the background, until `life` ends.
    pub(crate) fn start(config: &RabbitConfig, life: &Life) -> Self {
        let last = life.publishing();
        let interactive = supervise(PublishingUnit, config.clone(), last.clone(), &life.tasks);
        let durable = PooledPublisher::new(config, interactive.clone());
        life.tasks.spawn(durable.clone().sweep(last));
        Self {
            interactive,
            durable,
        }
    }
}
