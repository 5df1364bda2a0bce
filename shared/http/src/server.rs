//! The HTTP server: bounded in connections and in the time a slow peer may take, and drained
//! with a deadline. (axum's own `serve` has none of these.)

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

/// How long a drain waits for requests in flight: the longest wait, and a second to answer.
pub const DRAIN_GRACE: Duration = Duration::from_secs(6);
/// The largest head of a request, and the buffer of a connection.
const MAX_HEAD: usize = 64 * 1024;
/// How long connections that were made before `stop` are taken from the kernel after it.
const LAST_CALL: Duration = Duration::from_millis(50);
/// How long none may have come until there are none.
const LAST_PAUSE: Duration = Duration::from_millis(5);
/// How long after `stop` a connection without a request is kept for one that is on its way.
const LINGER: Duration = Duration::from_millis(100);
/// The pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What peers may take of the server.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most connections; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// How long a peer may take to send a request's head, and to begin one on a connection that
    /// is kept alive.
    pub head: Duration,
    /// How long a peer may take none of an answer's bytes.
    pub stall: Duration,
    /// How long requests in flight may take to finish after `stop`.
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

/// How the orderly end of a server, or of what works behind it, went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drained {
    /// Everything was done.
    InOrder,
    /// The grace period was over first: requests were cut, or jobs went back to the queue.
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
    let places = Arc::new(Semaphore::new(bounds.connections));
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    let open = |stream, peer, place| {
        let (router, stop, abort) = (router.clone(), stop.clone(), abort.clone());
        connections.spawn(async move {
            let _place = place;
            tokio::select! {
                () = abort.cancelled() => {}
                () = converse(stream, peer, router, stop, bounds) => {}
            }
        });
    };
    while let Some((stream, peer, place)) = next(&listener, &places, &stop).await {
        open(stream, peer, place);
    }
    // Whose connection the kernel has made already would see it reset, and could not know whether
    // the request was taken; from the next moment on they are refused.
    let last = Instant::now() + LAST_CALL;
    while let Ok(Ok((stream, peer))) = timeout(LAST_PAUSE, listener.accept()).await {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            break;
        };
        open(stream, peer, place);
        if Instant::now() > last {
            break;
        }
    }
    // Closed now, so that the port refuses rather than leaves new peers waiting.
    drop(listener);
    connections.close();
    if timeout(bounds.grace, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections cut at the end of the drain"
        );
        abort.cancel();
        connections.wait().await;
        return Drained::OutOfTime;
    }
    Drained::InOrder
}

/// The next connection, once there is a place for it; `None` after `stop`.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let accepted = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; trying on");
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

/// One connection, to its end; after `stop`, to the end of the request in flight.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    bounds: Bounds,
) {
    // Answers are written at once and whole: waiting for more would only delay them.
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
            // A request that is on its way would be cut off.
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

/// Whether accepting failed because the peer had already gone.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
