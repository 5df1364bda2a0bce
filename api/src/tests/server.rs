//! Tests of the server over real connections: slow bodies, rude peers, the drain.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use warren_queue::QueueLink;

use super::bench::{Bench, Does, EXECUTE, HELLO};
use crate::access::auth::Switch;
use crate::access::rate::Limit;
use crate::config::DATABASE_FILE;
use crate::store::{SqliteStore, Store};
use warren_http::{Bounds, Drained, serve};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A router served with `bounds`.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<Drained>,
}

impl Served {
    pub(super) async fn new(router: Router, bounds: Bounds) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let ended = tokio::spawn(serve(listener, router, stop.clone(), bounds));
        Self {
            address,
            stop,
            ended,
        }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

fn head(length: usize) -> String {
    format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
    )
}

fn whole(body: &str) -> String {
    format!("{}connection: close\r\n\r\n{body}", head(body.len()))
}

pub(super) async fn ask(peer: &mut TcpStream, text: &str) -> String {
    peer.write_all(text.as_bytes()).await.unwrap();
    read(peer).await
}

/// Everything until the server closes in good order: a reset could cost a peer the answer.
pub(super) async fn read(peer: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, peer.read_to_end(&mut bytes)).await;
    read.expect("the server closes the connection")
        .expect("it does not reset it");
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_job_is_served_over_a_connection() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("hello\n")).await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    let answer = ask(&mut served.connect().await, &whole(HELLO)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains(r#""stdout":"hello\n""#));
}

#[tokio::test]
async fn a_slow_body_is_answered_408_while_there_is_time() {
    let wait = Duration::from_secs(3);
    let bench = Bench::with(|config| config.wait = wait).await;
    bench.worker(Does::Prints("")).await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    let mut peer = served.connect().await;
    let asked = Instant::now();
    let answer = ask(&mut peer, &format!("{}\r\n{{\"language\"", head(100))).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("body_timeout"));
    assert!(asked.elapsed() < wait, "the body has half of the wait");
}

#[tokio::test]
async fn a_body_that_breaks_off_gives_its_place_back() {
    let bench = Bench::with(|config| config.max_in_flight = 1).await;
    bench.worker(Does::Prints("")).await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    let mut peer = served.connect().await;
    peer.write_all(format!("{}\r\n{{", head(100)).as_bytes())
        .await
        .unwrap();
    drop(peer);
    until_served(&served).await;
}

#[tokio::test]
async fn a_caller_who_leaves_gives_its_place_back_at_once() {
    let bench = Bench::with(|config| config.max_in_flight = 1).await;
    bench
        .worker(Does::PrintsAfter(Duration::from_secs(4), ""))
        .await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    let mut peer = served.connect().await;
    peer.write_all(whole(HELLO).as_bytes()).await.unwrap();
    let overloaded = async {
        while !ask(&mut served.connect().await, &whole(HELLO))
            .await
            .contains("overloaded")
        {}
    };
    timeout(PATIENCE, overloaded).await.unwrap();
    drop(peer);
    let left = Instant::now();
    // Without an immediate `overloaded` it has a permit; its result is not awaited.
    loop {
        let mut next = served.connect().await;
        next.write_all(whole(HELLO).as_bytes()).await.unwrap();
        let answered = timeout(Duration::from_millis(300), next.read_u8()).await;
        if answered.is_err() {
            break;
        }
        assert!(
            left.elapsed() < Duration::from_millis(3_500),
            "the place is still held"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_answered_and_not_just_cut_off() {
    let bench = Bench::new().await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    // A sender with a small buffer is still sending when a hasty server would have closed.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 << 10).unwrap();
    let mut peer = socket.connect(served.address).await.unwrap();
    let answer = ask(&mut peer, &whole(&" ".repeat(3 << 20))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // Without a length, in chunks, for as long as the server takes them.
    let mut peer = served.connect().await;
    let head = format!(
        "POST {EXECUTE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    peer.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..40 {
        peer.write_all(chunk.as_bytes()).await.unwrap();
    }
    let answer = ask(&mut peer, "0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // A client that sends `Expect` is answered before it sends the body.
    let expecting = format!("{}expect: 100-continue\r\n\r\n", self::head(3 << 20));
    let answer = ask(&mut served.connect().await, &expecting).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_caller_without_credentials_is_refused_whatever_it_sends() {
    let bench = Bench::with(|config| config.auth.switch = Some(Switch::On)).await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 << 10).unwrap();
    let mut peer = socket.connect(served.address).await.unwrap();
    let answer = ask(&mut peer, &whole(&" ".repeat(3 << 20))).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn peers_are_counted_by_their_address() {
    let limit = Limit::new(NonZeroU32::MIN, None).unwrap();
    let bench = Bench::with(|config| config.rate.caller = Some(limit)).await;
    bench.worker(Does::Prints("")).await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    // All of 127.0.0.0/8 is this machine.
    for (from, status) in [("127.0.0.1", 200), ("127.0.0.1", 429), ("127.0.0.2", 200)] {
        let socket = TcpSocket::new_v4().unwrap();
        let from = SocketAddr::new(from.parse().unwrap(), 0);
        socket.bind(from).unwrap();
        let mut peer = socket.connect(served.address).await.unwrap();
        let answer = ask(&mut peer, &whole(HELLO)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_are_cut() {
    let bounds = Bounds {
        head: Duration::from_millis(300),
        ..Bounds::default()
    };
    let served = Served::new(Router::new(), bounds).await;
    let start = Instant::now();
    for sent in ["", "GET / HTT", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        ask(&mut served.connect().await, sent).await;
    }
    let answer = ask(
        &mut served.connect().await,
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 404"), "kept alive, then idle");
    // The bound that is configured, not the default.
    assert!(start.elapsed() < Bounds::default().head);
}

#[tokio::test]
async fn a_head_over_its_bound_is_not_read() {
    let served = Served::new(Router::new(), Bounds::default()).await;
    for (padding, is_too_long) in [(32 << 10, false), (256 << 10, true)] {
        let mut peer = served.connect().await;
        let padding = "x".repeat(padding);
        let head =
            format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx: {padding}\r\n\r\n");
        // What the server leaves unread resets the connection, at the end of the answer or before.
        let _ = peer.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, peer.read_to_end(&mut answer)).await;
        let is_whole = end.expect("the server closes the connection").is_ok();
        let is_routed = is_whole && answer.starts_with(b"HTTP/1.1 404 ");
        assert_eq!(
            is_routed,
            !is_too_long,
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_takes_no_more() {
    let bench = Bench::new().await;
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(500), "done\n"))
        .await;
    let served = Served::new(bench.api.router.clone(), Bounds::default()).await;
    let mut peer = served.connect().await;
    let idle = served.connect().await;
    // A keep-alive connection; the drain ends it after the answer.
    let request = format!("{}\r\n{HELLO}", head(HELLO.len()));
    peer.write_all(request.as_bytes()).await.unwrap();
    bench.job_taken().await;
    served.stop.cancel();
    let answer = read(&mut peer).await;
    assert!(answer.contains("done"), "{answer}");
    let ended = timeout(PATIENCE, served.ended).await;
    assert_eq!(ended.unwrap().unwrap(), Drained::InOrder);
    assert!(
        TcpStream::connect(served.address).await.is_err(),
        "the port is closed"
    );
    drop(idle);
}

#[tokio::test]
async fn a_drain_ends_in_time_whatever_peers_do() {
    let bench = Bench::new().await;
    bench.worker(Does::Nothing).await;
    let bounds = Bounds {
        grace: Duration::from_millis(300),
        ..Bounds::default()
    };
    let served = Served::new(bench.api.router.clone(), bounds).await;
    let mut peer = served.connect().await;
    peer.write_all(whole(HELLO).as_bytes()).await.unwrap();
    bench.job_taken().await;
    let stopped = Instant::now();
    served.stop.cancel();
    let ended = timeout(PATIENCE, served.ended).await;
    assert_eq!(ended.unwrap().unwrap(), Drained::OutOfTime);
    assert!(stopped.elapsed() >= Duration::from_millis(300));
    assert_eq!(read(&mut peer).await, "");
}

#[tokio::test]
async fn the_whole_api_drains_with_everything_recorded() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("hello\n")).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(bench.api.serve(listener, stop.clone()));
    let mut peer = TcpStream::connect(address).await.unwrap();
    let answer = ask(&mut peer, &whole(HELLO)).await;
    stop.cancel();
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();

    assert!(bench.store.ping().await.is_err(), "the store is closed");
    let (_head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let id = body["jobId"].as_str().unwrap().parse().unwrap();
    let path = bench.directory.path().join(DATABASE_FILE);
    let store = SqliteStore::open(&path).await.unwrap();
    let recorded = store.find(id).await.unwrap().unwrap();
    assert_eq!(recorded.end.status(), "completed");
    assert!(
        bench.queue.status().await.is_ok(),
        "the queue is not the API's to close"
    );
}

/// Asks until there is a permit.
async fn until_served(served: &Served) {
    let start = Instant::now();
    while !ask(&mut served.connect().await, &whole(HELLO))
        .await
        .starts_with("HTTP/1.1 200")
    {
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "the place is still held"
        );
    }
}
