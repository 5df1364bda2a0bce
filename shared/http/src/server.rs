//! The HTTP server: bounded connections, time limits for slow peers, a bounded drain.
//!
//! axum's own `serve` has none of these.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The time a drain waits for requests in flight: the longest wait, and a second to answer.
pub const DRAIN_GRACE: Duration = Duration::from_secs(6);
/// The largest head of a request, which is also the size of a connection's buffer.
const MAX_HEAD: usize = 64 * 1024;
/// The time after `stop` for which connections made before it are still accepted.
const LAST_CALL: Duration = Duration::from_millis(50);
/// The silence after which no such connections are left.
const LAST_PAUSE: Duration = Duration::from_millis(5);
/// The time after `stop` for which an idle connection is kept, in case a request is on its way.
const LINGER: Duration = Duration::from_millis(100);
/// The pause after an accept that failed for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bounds on what peers may take of the server.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most connections. Further ones wait in the kernel's backlog.
    pub connections: usize,
    /// The longest that a peer may take to send a request's head, and to begin one on a connection
    /// that is kept alive.
    pub head: Duration,
    /// The longest that a peer may go without taking a byte of an answer.
    pub stall: Duration,
    /// The longest that requests in flight may take to finish after `stop`.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 2048,
            head: Duration::from_secs(15),
            stall: Duration::from_secs(10),
            grace: DRAIN_GRACE,
        }
    }
}

/// The result of draining a server, or the work behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drained {
    /// Everything was finished.
    InOrder,
    /// The grace period ended first: requests were cut off, or jobs went back to the queue.
    OutOfTime,
}

/// Serves `router` until `stop` is cancelled and requests in flight are done. Each request carries
/// its peer's address, as `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    bounds: Bounds,
) -> Drained {
    let permits = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    let open = |stream, peer, permit| {
        let (router, stop, abort) = (router.clone(), stop.clone(), abort.clone());
        connections.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = abort.cancelled() => {}
                () = converse(stream, peer, router, stop, bounds) => {}
            }
        });
    };
    while let Some((stream, peer, permit)) = next(&listener, &permits, &stop).await {
        open(stream, peer, permit);
    }
    // A peer whose connection the kernel has already accepted would see a reset, and could not know
    // whether its request was processed. Later peers are refused.
    let last = Instant::now() + LAST_CALL;
    while let Ok(Ok((stream, peer))) = timeout(LAST_PAUSE, listener.accept()).await {
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            break;
        };
        open(stream, peer, permit);
        if Instant::now() > last {
            break;
        }
    }
    // Closed now, so that the port refuses new peers instead of leaving them waiting.
    drop(listener);
    connections.close();
    if timeout(bounds.grace, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "the drain's grace period ended; cutting the remaining connections"
        );
        abort.cancel();
        connections.wait().await;
        return Drained::OutOfTime;
    }
    Drained::InOrder
}

/// Accepts the next connection once there is a permit for it; `None` after `stop`.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let accepted = async {
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, permit)),
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; retrying");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = accepted => accepted,
    }
}

/// Serves one connection to its end; after `stop`, to the end of the request in flight.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    bounds: Bounds,
) {
    // Answers are written at once and whole, so waiting for more data would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(bounds.stall));
    let io = TokioIo::new(Box::pin(stream));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(MAX_HEAD);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
    let mut connection = std::pin::pin!(http.serve_connection(io, service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            // An immediate shutdown would cut off a request that is on its way.
            if let Ok(ended) = timeout(LINGER, connection.as_mut()).await {
                ended
            } else {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Returns true if accepting failed because the peer had already gone.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
