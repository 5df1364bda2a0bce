//! The HTTP server: bounded connections, limits for slow peers, a bounded drain.
//!
//! axum's own `serve` has none of these.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pace::Paced;
use crate::places::{Busy, ConnectionCounts, Place, Places, RequestUnderWay, Share};

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
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The most connections, of which one peer may have a quarter. When there are as many, the one that
    /// has been longest without a request is ended for the next; while all are busy, further ones wait
    /// in the kernel's backlog.
    pub connections: usize,
    /// The peers whose connections are not bounded apart: proxies, behind which there are many.
    pub proxies: Proxies,
    /// The longest that a peer may take to send a request's head, and to begin one on a connection
    /// that is kept alive.
    pub head: Duration,
    /// The longest that a peer may be behind the slowest rate at which an answer may be taken, 32 KiB a
    /// second: as long as that without taking a byte, or longer at less than that rate.
    pub stall: Duration,
    /// The longest that requests in flight may take to finish after `stop`.
    pub grace: Duration,
    /// Counts the connections that are refused, ended or cut.
    pub counts: ConnectionCounts,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 2048,
            proxies: Proxies::default(),
            head: Duration::from_secs(15),
            stall: Duration::from_secs(10),
            grace: DRAIN_GRACE,
            counts: ConnectionCounts::default(),
        }
    }
}

/// The rule that tells proxies by their address. By default there are none.
#[derive(Clone)]
pub struct Proxies(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Proxies {
    /// Creates the rule.
    pub fn new(is_proxy: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_proxy))
    }

    fn share(&self, address: IpAddr) -> Share {
        if (self.0)(address.to_canonical()) {
            Share::All
        } else {
            Share::Quarter
        }
    }
}

impl Default for Proxies {
    fn default() -> Self {
        Self::new(|_address| false)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").finish_non_exhaustive()
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
    let places = Places::new(bounds.connections, bounds.counts.clone());
    let grace = bounds.grace;
    let connections = TaskTracker::new();
    let abort = CancellationToken::new();
    let bounds = Arc::new(bounds);
    let open = |stream, peer, place: Place| {
        let (router, stop, abort) = (router.clone(), stop.clone(), abort.clone());
        let bounds = Arc::clone(&bounds);
        connections.spawn(async move {
            tokio::select! {
                () = abort.cancelled() => {}
                () = place.needed() => tracing::debug!(%peer, "another needs the place of an idle connection"),
                () = converse(stream, peer, router, stop, &bounds, place.busy()) => {}
            }
        });
    };
    while let Some((stream, peer, place)) = next(&listener, &places, &bounds, &stop).await {
        open(stream, peer, place);
    }
    // A peer whose connection the kernel has already accepted would see a reset, and could not know
    // whether its request was processed. Later peers are refused.
    let last = Instant::now() + LAST_CALL;
    while let Ok(Ok((stream, peer))) = timeout(LAST_PAUSE, listener.accept()).await {
        let place = places.take(peer.ip().into(), bounds.proxies.share(peer.ip()));
        if let Some(place) = place.now_or_never().flatten() {
            open(stream, peer, place);
        }
        if Instant::now() > last {
            break;
        }
    }
    // Closed now, so that the port refuses new peers instead of leaving them waiting.
    drop(listener);
    connections.close();
    if timeout(grace, connections.wait()).await.is_err() {
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

/// Accepts the next connection that gets a place; `None` after `stop`.
async fn next(
    listener: &TcpListener,
    places: &Places,
    bounds: &Bounds,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let accepted = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let share = bounds.proxies.share(peer.ip());
                    match places.take(peer.ip().into(), share).await {
                        Some(place) => return (stream, peer, place),
                        None => {
                            tracing::debug!(%peer, "refused a connection: its peer has as many as it may");
                        }
                    }
                }
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; retrying");
                    places.end_idlest();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = accepted => Some(accepted),
    }
}

/// Serves one connection to its end; after `stop`, to the end of the request in flight.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    bounds: &Bounds,
    busy: Busy,
) {
    // Answers are written at once and whole, so waiting for more data would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let counts = bounds.counts.clone();
    let io = TokioIo::new(Paced::new(stream, bounds.stall, busy.clone(), counts));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(MAX_HEAD);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answer, under_way) = (router.call(request), busy.request());
        async move {
            let answer = answer.await?;
            Ok::<_, Infallible>(answer.map(|body| UnderWay {
                body,
                _request: under_way,
            }))
        }
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

/// The body of an answer. The connection is busy until all of it is handed over.
struct UnderWay {
    body: Body,
    _request: RequestUnderWay,
}

impl HttpBody for UnderWay {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
