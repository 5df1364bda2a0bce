//! A TCP proxy that treats connections as real networks do.
//!
//! It stops forwarding in one direction or both, cuts, and delays.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A proxy in front of one address.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
}

/// The direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// The faults that apply to all connections.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    deaf_up: bool,
    deaf_down: bool,
    delay: Duration,
}

impl Weather {
    fn is_deaf(&self, direction: Direction) -> bool {
        match direction {
            Direction::Up => self.deaf_up,
            Direction::Down => self.deaf_down,
        }
    }
}

struct Shared {
    target: String,
    weather: watch::Sender<Weather>,
    wires: Mutex<HashMap<u64, Arc<Wire>>>,
}

/// One connection.
struct Wire {
    cut: CancellationToken,
    /// The bytes that may still pass before it is cut.
    fuse: AtomicU64,
}

impl Proxy {
    /// Creates a proxy in front of `target` (`host:port`).
    pub async fn to(target: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            weather: watch::Sender::new(Weather::default()),
            wires: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops forwarding, on old and new connections; or forwards again.
    pub fn set_deaf(&self, deaf: bool) {
        self.shared.weather.send_modify(|weather| {
            (weather.deaf_up, weather.deaf_down) = (deaf, deaf);
        });
    }

    /// Does the same for one direction alone.
    pub fn set_deaf_to(&self, direction: Direction, deaf: bool) {
        self.shared.weather.send_modify(|weather| match direction {
            Direction::Up => weather.deaf_up = deaf,
            Direction::Down => weather.deaf_down = deaf,
        });
    }

    /// Delays everything by so long; zero: no longer.
    pub fn set_delay(&self, delay: Duration) {
        self.shared
            .weather
            .send_modify(|weather| weather.delay = delay);
    }

    /// Resets the connection that `choose` picks out of so many, after `bytes` more in either
    /// direction: in the middle of a message, most likely. The token is cancelled when the
    /// connection is cut, and cancelling it cuts at once. Returns `None` if there is no connection.
    pub fn cut_one(
        &self,
        bytes: u64,
        choose: impl FnOnce(usize) -> usize,
    ) -> Option<CancellationToken> {
        let wires = self.shared.wires();
        let mut ids: Vec<_> = wires.keys().copied().collect();
        ids.sort_unstable();
        let chosen = (!ids.is_empty()).then(|| ids[choose(ids.len()) % ids.len()]);
        let wire = chosen.and_then(|id| wires.get(&id))?;
        wire.fuse.store(bytes, Ordering::SeqCst);
        Some(wire.cut.clone())
    }

    /// Returns how many clients' connections are open.
    pub fn open(&self) -> usize {
        self.shared.wires().len()
    }
}

impl Shared {
    fn wires(&self) -> MutexGuard<'_, HashMap<u64, Arc<Wire>>> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut id = 0;
    while let Ok((client, _)) = listener.accept().await {
        id += 1;
        let wire = Arc::new(Wire {
            cut: CancellationToken::new(),
            fuse: AtomicU64::new(u64::MAX),
        });
        shared.wires().insert(id, Arc::clone(&wire));
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let _ = connect(client, &shared, &wire).await;
            shared.wires().remove(&id);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(mut client: TcpStream, shared: &Shared, wire: &Wire) -> anyhow::Result<()> {
    let mut server = TcpStream::connect(&shared.target).await?;
    {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let weather = || shared.weather.subscribe();
        tokio::select! {
            ended = pass(client_reads, server_writes, Direction::Up, weather(), wire) => return ended,
            ended = pass(server_reads, client_writes, Direction::Down, weather(), wire) => return ended,
            () = wire.cut.cancelled() => {}
        }
    }
    // Each side sees a reset, as when the path between them is torn down.
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    Ok(())
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    direction: Direction,
    mut weather: watch::Receiver<Weather>,
    wire: &Wire,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let delay = weather.wait_for(|w| !w.is_deaf(direction)).await?.delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let allowed = wire.spend(read);
        to.write_all(&buffer[..allowed]).await?;
        if allowed < read {
            wire.cut.cancel();
            std::future::pending::<()>().await;
        }
    }
}

impl Wire {
    /// Returns how many of `wanted` bytes may pass.
    fn spend(&self, wanted: usize) -> usize {
        let wanted_bytes = wanted as u64;
        let spend = |left: u64| match left {
            u64::MAX => None,
            left => Some(left.saturating_sub(wanted_bytes)),
        };
        match self
            .fuse
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend)
        {
            Ok(left) => usize::try_from(left).unwrap_or(wanted).min(wanted),
            Err(_unlimited) => wanted,
        }
    }
}
