//! A small pool of publish-only connections, for messages that are durable and sporadic.
//!
//! RabbitMQ throttles a connection as a whole, and its socket and its channels are shared by all that
//! is published on it. So a flood of unattended jobs or callbacks must not go out on the connection
//! that callers' jobs use. These messages can wait for a connection, have no consumer on it, and are
//! retried by their senders, which is what a pool is good for: it connects when there is something to
//! send, and checks at checkout. Consumers and the interactive publisher need more (a rebuild as one
//! unit, a bounded handshake, a probe), and stay supervised.

use std::sync::Arc;
use std::time::Duration;

use deadpool_lapin::{Hook, HookError, Manager, Pool, QueueMode, Runtime, Timeouts};
use futures_util::future::join_all;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::publisher::{PublishError, Publisher, QueueMessage, publish_on};
use super::shared_connection::ChannelPool;
use crate::BrokerPool;
use crate::rabbit::link::config::RabbitConfig;
use crate::rabbit::link::connection::CLOSE_TIMEOUT;
use crate::rabbit::link::supervisor::Link;

/// What the connections are for, in the management UI.
const PURPOSE: &str = "publish durable";
/// How long connecting may take, if the message's own bound leaves that much.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the checks at checkout may take. They only read state.
const RECYCLE_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that was not used for this long is closed.
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// How often idle and lost connections are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Publishes durable messages on pooled connections, while the supervised connection is up.
#[derive(Clone)]
pub(crate) struct PooledPublisher {
    /// The supervised connection. It knows whether the broker is there and takes messages, so that an
    /// absent broker is not dialled at each message; rebuilt, it declares a queue that was deleted.
    supervised: Link<Publisher>,
    /// `None`: everything is published on the supervised connection.
    channels: Option<Arc<ChannelPool>>,
}

impl PooledPublisher {
    /// An empty pool; it connects when there is something to publish.
    pub(crate) fn new(config: &RabbitConfig, supervised: Link<Publisher>) -> Self {
        let channels = build(config).unwrap_or_else(|problem| {
            tracing::warn!(
                problem,
                "no pool of connections to RabbitMQ; using one for all"
            );
            None
        });
        Self {
            supervised,
            channels: channels.map(Arc::new),
        }
    }

    /// Publishes to a durable queue and waits until the broker has it.
    pub(crate) async fn to_queue(
        &self,
        message: QueueMessage<'_>,
        within: Duration,
    ) -> Result<(), PublishError> {
        let publisher = self.supervised.now().map_err(PublishError::NotSent)?;
        let Some(channels) = &self.channels else {
            return publisher.to_queue(message, within).await;
        };
        let supervised = publisher.connected();
        let publishing = publish_on(supervised, channels.open(), message.routed(), within);
        let (channel, published) = publishing.await?;
        channel.keep();
        message.queued(published, supervised)
    }

    /// The state of the pool; `None` without a pool.
    pub(crate) fn status(&self) -> Option<BrokerPool> {
        let channels = self.channels.as_ref()?;
        let status = channels.pool.status();
        Some(BrokerPool {
            size: status.size,
            available: status.available,
            waiting: channels.waiting(),
        })
    }

    /// Closes idle connections until `stop`, then the pool. Messages that are being published then
    /// still are, within their bounds.
    pub(crate) async fn sweep(self, stop: CancellationToken) {
        let Some(channels) = self.channels else {
            return;
        };
        let pool = &channels.pool;
        let pause = || stop.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY));
        while pause().await.is_some() {
            let idle = pool.retain(|connection, usage| {
                connection.status().connected() && usage.last_used() < IDLE_AFTER
            });
            close_all(idle.removed).await;
        }
        let idle = pool.retain(|_, _| false);
        pool.close();
        close_all(idle.removed).await;
    }
}

/// The pool, if `config` wants one and its address survives being written as text, which is all
/// that the pool takes: the library reads an IPv6 literal as its default host.
fn build(config: &RabbitConfig) -> Result<Option<ChannelPool>, &'static str> {
    let Some(connections) = config.pooled() else {
        return Ok(None);
    };
    let address = config.uri().to_string();
    if address.parse::<AMQPUri>().as_ref() != Ok(config.uri()) {
        return Err("the broker's address has no name or IPv4 address");
    }
    let runtime = lapin::runtime::default_runtime()
        .map_err(|_unavailable| "there is no runtime to connect in")?;
    let name = config.connection_name(PURPOSE);
    let properties = move || ConnectionProperties::default().with_connection_name(name.clone());
    let pool = Pool::builder(Manager::new(address, properties, runtime))
        .max_size(connections.get())
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts {
            // The message's own bound holds.
            wait: None,
            create: Some(CREATE_TIMEOUT),
            recycle: Some(RECYCLE_TIMEOUT),
        })
        // As few connections as the load needs; the others become idle.
        .queue_mode(QueueMode::Lifo)
        .pre_recycle(Hook::sync_fn(|connection: &mut Connection, _usage| {
            if connection.status().blocked() {
                return Err(HookError::message("blocked by the broker's alarm"));
            }
            Ok(())
        }))
        .build();
    let pool = pool.map_err(|_unconfigured| "its configuration is incomplete; this is a bug")?;
    Ok(Some(ChannelPool::of(pool, connections.get())))
}

async fn close_all(connections: Vec<Connection>) {
    let closing = connections.iter().map(|connection| async {
        if connection.status().connected() {
            let goodbye = connection.close(200, "closing".into());
            drop(timeout(CLOSE_TIMEOUT, goodbye).await);
        }
    });
    join_all(closing).await;
}
