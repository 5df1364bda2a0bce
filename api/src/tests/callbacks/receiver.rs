//! Receivers of callbacks: real servers on loopback, each with its own fault.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_http::{Bounds, serve};

use crate::tests::bench::SOON;

/// A received request.
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A server that gives the answers of its script one after the other, and 204 after these.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    _stop: DropGuard,
}

impl Receiver {
    pub(super) async fn new(script: Vec<Response>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    pub(super) fn on(listener: TcpListener, script: Vec<Response>) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let script = Arc::new(Mutex::new(VecDeque::from(script)));
        let routes =
            Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: Bytes| {
                let path = uri.to_string();
                let request = Received {
                    path,
                    headers,
                    body,
                };
                sender.send(request).unwrap();
                let next = script.lock().unwrap().pop_front();
                next.unwrap_or_else(|| StatusCode::NO_CONTENT.into_response())
            });
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        tokio::spawn(serve(listener, routes, stop.clone(), Bounds::default()));
        Self {
            address,
            received,
            _stop: stop.drop_guard(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?key=secret", self.address)
    }

    /// The next request, which must come.
    pub(super) async fn next(&mut self) -> Received {
        let next = timeout(SOON, self.received.recv()).await;
        next.expect("a callback comes").unwrap()
    }

    /// Returns how many requests have come that no test has read.
    pub(super) fn more(&self) -> usize {
        self.received.len()
    }
}

/// The fault of a rude receiver on each connection.
#[derive(Clone, Copy)]
pub(super) enum Rude {
    /// Never answers.
    Silent,
    /// Answers 200 and sends a body without end.
    EndlessBody,
    /// Begins to answer and sends header after header.
    EndlessHead,
    /// Sends a byte of its answer now and then.
    Dripping,
}

/// A listener that counts its connections, and is rude to them.
pub(super) struct RudeReceiver {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    /// The most connections at a time.
    pub(super) most: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl RudeReceiver {
    pub(super) async fn new(address: &str, how: Rude) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (connections, most) = (Arc::<AtomicUsize>::default(), Arc::default());
        let (count, peak, ended) = (Arc::clone(&connections), Arc::clone(&most), stop.clone());
        let open = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Some(Ok((mut peer, _))) = ended.run_until_cancelled(listener.accept()).await {
                count.fetch_add(1, Ordering::SeqCst);
                let (open, peak): (_, Arc<AtomicUsize>) = (Arc::clone(&open), Arc::clone(&peak));
                tokio::spawn(async move {
                    let now = open.fetch_add(1, Ordering::SeqCst) + 1;
                    peak.fetch_max(now, Ordering::SeqCst);
                    let mut asked = [0; 4096];
                    drop(peer.read(&mut asked).await);
                    let (first, rest, pause) = how.words();
                    let mut written = peer.write_all(first).await;
                    while written.is_ok() && !rest.is_empty() {
                        tokio::time::sleep(pause).await;
                        written = peer.write_all(rest).await;
                    }
                    // Until the peer closes the connection.
                    while peer.read(&mut asked).await.is_ok_and(|read| read > 0) {}
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            connections,
            most,
            _stop: stop.drop_guard(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Rude {
    fn words(self) -> (&'static [u8], &'static [u8], Duration) {
        const NO_PAUSE: Duration = Duration::ZERO;
        match self {
            Self::Silent => (b"", b"", NO_PAUSE),
            Self::EndlessBody => (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                b"10\r\nxxxxxxxxxxxxxxxx\r\n",
                NO_PAUSE,
            ),
            Self::EndlessHead => (b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n", NO_PAUSE),
            Self::Dripping => (
                b"HTTP/1.1 200 OK\r\nx-slow: ",
                b"x",
                Duration::from_millis(20),
            ),
        }
    }
}
