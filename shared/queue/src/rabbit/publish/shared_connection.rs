//! Pooled connections that are checked out, each shared by a few messages at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use deadpool_lapin::{Object, Pool, PoolError};
use lapin::Channel;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};

use super::publisher::confirming;
use crate::QueueError;

/// The most messages on one connection at a time, each on a channel of its own.
pub(crate) const CHANNELS_EACH: usize = 8;

/// The channels of a pool: as many as its connections have together, of which as few are open as
/// the load needs.
pub(crate) struct ChannelPool {
    pub(crate) pool: Pool,
    permits: Semaphore,
    waiting: AtomicUsize,
    /// The connections that are checked out. Held while one is checked out, so that those who come
    /// meanwhile find its other channels instead of connecting as well.
    in_use: AsyncMutex<Vec<Weak<SharedConnection>>>,
}

impl ChannelPool {
    /// The channels on `pool`, which has at most that many connections.
    pub(crate) fn of(pool: Pool, connections: usize) -> Self {
        Self {
            pool,
            permits: Semaphore::new(connections * CHANNELS_EACH),
            waiting: AtomicUsize::new(0),
            in_use: AsyncMutex::default(),
        }
    }

    /// How many messages wait for a channel.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A channel for one message. The caller bounds the wait.
    pub(crate) async fn open(&self) -> Result<PooledChannel<'_>, QueueError> {
        let permit = {
            let _waiting = Waiting::on(&self.waiting);
            let permit = self.permits.acquire().await;
            permit.map_err(|_closed| QueueError::Closed)?
        };
        // Before the channel is opened: a connection on which that fails is not used again.
        let hold = ConnectionShare::on(self.connection().await?, permit);
        Ok(PooledChannel {
            channel: hold.connection.channel().await?,
            hold,
        })
    }

    /// A connection with a free channel. There are no more permits than channels: either one that is
    /// checked out has it, or there is one left to check out.
    async fn connection(&self) -> Result<Arc<SharedConnection>, QueueError> {
        let mut in_use = self.in_use.lock().await;
        in_use.retain(|shared| shared.strong_count() > 0);
        let mut shared = in_use
            .iter()
            .filter(|shared| shared.strong_count() < CHANNELS_EACH)
            .filter_map(Weak::upgrade);
        if let Some(free) = shared.find(|shared| shared.is_fit()) {
            return Ok(free);
        }
        let checked_out = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(source) => QueueError::while_doing("connect")(source),
            PoolError::Closed => QueueError::Closed,
            _ => QueueError::TimedOut {
                context: "connecting",
            },
        })?;
        let shared = Arc::new(SharedConnection {
            idle: Mutex::default(),
            connection: Some(checked_out),
            settled: AtomicU64::new(0),
            is_broken: AtomicBool::new(false),
        });
        in_use.push(Arc::downgrade(&shared));
        Ok(shared)
    }
}

/// Counts as waiting until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn on(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is checked out. Once its last channel is dropped it returns to the pool, or is
/// closed if it is broken.
struct SharedConnection {
    /// Channels with nothing under way.
    idle: Mutex<Vec<Channel>>,
    /// `None` once it is dropped.
    connection: Option<Object>,
    /// How many messages were settled on it.
    settled: AtomicU64,
    is_broken: AtomicBool,
}

impl SharedConnection {
    fn is_fit(&self) -> bool {
        let connected = |connection: &Object| connection.status().connected();
        !self.is_broken.load(Ordering::Relaxed) && self.connection.as_ref().is_some_and(connected)
    }

    async fn channel(&self) -> Result<Channel, QueueError> {
        let idle = self.idle().pop();
        if let Some(channel) = idle {
            return Ok(channel);
        }
        let connection = self.connection.as_ref().ok_or(QueueError::Closed)?;
        let channel = connection.create_channel().await;
        confirming(channel.map_err(QueueError::while_doing("open a channel"))?).await
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SharedConnection {
    fn drop(&mut self) {
        // First, since a channel that outlives its connection makes the library log errors.
        self.idle().clear();
        let is_fit = self.is_fit();
        if let Some(connection) = self.connection.take()
            && !is_fit
        {
            // Out of the pool it closes in the background.
            drop(Object::take(connection));
        }
    }
}

/// A channel for one message. The channel comes first, since one that outlives its connection makes
/// the library log errors.
pub(crate) struct PooledChannel<'a> {
    channel: Channel,
    hold: ConnectionShare<'a>,
}

impl PooledChannel<'_> {
    /// Keeps the channel for another message, since its message is settled.
    pub(crate) fn keep(self) {
        let Self { channel, mut hold } = self;
        hold.connection.idle().push(channel);
        hold.settle();
    }
}

impl AsRef<Channel> for PooledChannel<'_> {
    fn as_ref(&self) -> &Channel {
        &self.channel
    }
}

/// The use of a connection for one message. Dropped before the message is settled, the connection is
/// not used again, unless another message was settled on it meanwhile: it may be dead without anyone
/// having noticed.
struct ConnectionShare<'a> {
    connection: Arc<SharedConnection>,
    is_settled: bool,
    settled_before: u64,
    _permit: SemaphorePermit<'a>,
}

impl<'a> ConnectionShare<'a> {
    fn on(connection: Arc<SharedConnection>, permit: SemaphorePermit<'a>) -> Self {
        Self {
            is_settled: false,
            settled_before: connection.settled.load(Ordering::Relaxed),
            connection,
            _permit: permit,
        }
    }

    fn settle(&mut self) {
        self.is_settled = true;
        self.connection.settled.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for ConnectionShare<'_> {
    fn drop(&mut self) {
        let settled = self.connection.settled.load(Ordering::Relaxed);
        if !self.is_settled && settled == self.settled_before {
            self.connection.is_broken.store(true, Ordering::Relaxed);
        }
    }
}
