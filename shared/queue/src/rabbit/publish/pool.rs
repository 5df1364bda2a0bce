//! A small pool of publish-only connections, for messages that are durable and sporadic.
//!
//! RabbitMQ throttles a connection as a whole, and its socket and its lanes are shared by all that
//! is published on it. So a flood of unattended jobs or callbacks must not go out on the connection
//! that callers' jobs use. These messages can wait for a connection, have no consumer on it, and are
//! retried by their senders, which is what a pool is good for: it connects when there is something to
//! send, and checks at checkout. Consumers and the interactive publisher need more (a rebuild as one
//! unit, a bounded handshake, a probe), and stay supervised.

use std::time::Duration;

use deadpool_lapin::{
    Hook, HookError, Manager, Object, Pool, PoolError, QueueMode, Runtime, Timeouts,
};
use futures_util::future::join_all;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::publisher::{PublishError, Publisher, QueueMessage, confirming, publish_on};
use crate::rabbit::link::config::RabbitConfig;
use crate::rabbit::link::connection::CLOSE_TIMEOUT;
use crate::rabbit::link::supervisor::Link;
use crate::{BrokerPool, QueueError};

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
    pool: Option<Pool>,
}

impl PooledPublisher {
    /// An empty pool; it connects when there is something to publish.
    pub(crate) fn new(config: &RabbitConfig, supervised: Link<Publisher>) -> Self {
        let pool = build(config).unwrap_or_else(|problem| {
            tracing::warn!(
                problem,
                "no pool of connections to RabbitMQ; using one for all"
            );
            None
        });
        Self { supervised, pool }
    }

    /// Publishes to a durable queue and waits until the broker has it.
    pub(crate) async fn to_queue(
        &self,
        message: QueueMessage<'_>,
        within: Duration,
    ) -> Result<(), PublishError> {
        let publisher = self.supervised.now().map_err(PublishError::NotSent)?;
        let Some(pool) = &self.pool else {
            return publisher.to_queue(message, within).await;
        };
        let supervised = publisher.connected();
        let publishing = publish_on(supervised, check_out(pool), message.routed(), within);
        let (lane, published) = publishing.await?;
        lane.check_in();
        message.queued(published, supervised)
    }

    /// The state of the pool; `None` without a pool.
    pub(crate) fn status(&self) -> Option<BrokerPool> {
        let status = self.pool.as_ref()?.status();
        Some(BrokerPool {
            size: status.size,
            available: status.available,
            waiting: status.waiting,
        })
    }

    /// Closes idle connections until `stop`, then the pool. Messages that are being published then
    /// still are, within their bounds.
    pub(crate) async fn sweep(self, stop: CancellationToken) {
        let Some(pool) = self.pool else { return };
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
fn build(config: &RabbitConfig) -> Result<Option<Pool>, &'static str> {
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
    pool.map(Some)
        .map_err(|_unconfigured| "its configuration is incomplete; this is a bug in Warren")
}

/// A channel for one message on a connection that was checked out. The channel comes first, since
/// one that outlives its connection makes the library log errors.
struct PooledLane {
    channel: Channel,
    checkout: Checkout,
}

impl PooledLane {
    /// The message is settled: the connection is fit for another.
    fn check_in(self) {
        let Self {
            channel,
            mut checkout,
        } = self;
        drop(channel);
        drop(checkout.0.take());
    }
}

impl AsRef<Channel> for PooledLane {
    fn as_ref(&self) -> &Channel {
        &self.channel
    }
}

/// A connection that leaves the pool, and is closed, unless its message was settled: it may be dead
/// without anyone having noticed.
struct Checkout(Option<Object>);

impl Checkout {
    async fn channel(&self) -> Result<Channel, QueueError> {
        let connection = self.0.as_ref().ok_or(QueueError::Closed)?;
        let channel = connection.create_channel().await;
        confirming(channel.map_err(QueueError::while_doing("open a channel"))?).await
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Dropped, it closes in the background.
            drop(Object::take(connection));
        }
    }
}

async fn check_out(pool: &Pool) -> Result<PooledLane, QueueError> {
    let connection = pool.get().await.map_err(|error| match error {
        PoolError::Backend(source) => QueueError::while_doing("connect")(source),
        PoolError::Closed => QueueError::Closed,
        _ => QueueError::TimedOut {
            context: "connecting",
        },
    })?;
    let checkout = Checkout(Some(connection));
    Ok(PooledLane {
        channel: checkout.channel().await?,
        checkout,
    })
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
