//! Tests of the bounds on one peer: its connections, and its pace.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::server::{PATIENCE, Served, ask, read};
use warren_http::{Bounds, Proxies};

#[tokio::test]
async fn a_peer_that_takes_nothing_of_its_answer_is_cut() {
    const SIZE: usize = 64 << 20;
    let routes = Router::new().route("/", get(async || vec![b'x'; SIZE]));
    let bounds = Bounds {
        stall: Duration::from_millis(300),
        ..Bounds::default()
    };
    let served = Served::new(routes, bounds.clone()).await;
    let mut stalled = served.connect().await;
    stalled
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    until(|| bounds.counts.read().contains(&("slow", 1))).await;
    let mut got = Vec::new();
    drop(stalled.read_to_end(&mut got).await);
    assert!(got.len() < SIZE, "it was cut in the middle");
}

/// Connects from an address of this machine (all of 127.0.0.0/8 is) and takes little at a time.
async fn connect_from(served: &Served, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(served.address).await.unwrap()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_byte_now_and_then_does_not_keep_an_answer() {
    let routes = Router::new().route("/", get(async || vec![b'x'; 4 << 20]));
    let stall = Duration::from_millis(500);
    let bounds = Bounds {
        stall,
        ..Bounds::default()
    };
    let served = Served::new(routes, bounds.clone()).await;
    let mut slow = connect_from(&served, [127, 0, 0, 1]).await;
    slow.write_all(GET).await.unwrap();
    // Ten times in what it may be behind, so that it is never silent for that long.
    let taking = async {
        let mut bytes = [0; 100];
        while slow.read(&mut bytes).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(stall / 10).await;
        }
    };
    let cut = until(|| bounds.counts.read().contains(&("slow", 1)));
    tokio::select! {
        () = cut => {}
        () = taking => panic!("it was told before it was cut"),
    }
}

#[tokio::test]
async fn a_peer_that_takes_all_and_waits_for_more_is_not_cut() {
    let stall = Duration::from_millis(100);
    let routes = Router::new().route(
        "/",
        get(async move || {
            let parts = stream::unfold(0, move |sent| async move {
                tokio::time::sleep(5 * stall).await;
                (sent < 3).then(|| (Ok::<_, Infallible>("part\n"), sent + 1))
            });
            Body::from_stream(parts)
        }),
    );
    let bounds = Bounds {
        stall,
        ..Bounds::default()
    };
    let served = Served::new(routes, bounds.clone()).await;
    let get = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = ask(&mut served.connect().await, get).await;
    assert_eq!(answer.matches("part").count(), 3, "{answer}");
    // Nor is one that reads late, if the kernel has taken the answer meanwhile.
    let mut late = served.connect().await;
    late.write_all(b"GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(5 * stall).await;
    assert!(read(&mut late).await.starts_with("HTTP/1.1 404"));
    assert!(bounds.counts.read().contains(&("slow", 0)));
}

#[tokio::test]
async fn one_peer_with_as_many_connections_as_there_are_keeps_nobody_out() {
    let routes = Router::new().route("/", get(async || "here"));
    let bounds = Bounds::default();
    let most = bounds.connections;
    let served = Served::new(routes, bounds.clone()).await;
    let mut flood = Vec::new();
    for _ in 0..most {
        flood.push(connect_from(&served, [127, 0, 0, 1]).await);
    }
    let ended = |counts: [(&str, u64); 3]| counts[0].1 + counts[1].1;
    let over = u64::try_from(most - most / 4).unwrap();
    until(|| ended(bounds.counts.read()) >= over).await;
    // Another peer, and the same one anew: its own oldest connection goes.
    for from in [[127, 0, 0, 2], [127, 0, 0, 1]] {
        let mut other = connect_from(&served, from).await;
        other.write_all(GET).await.unwrap();
        let mut start = [0; 12];
        let read = timeout(PATIENCE, other.read_exact(&mut start)).await;
        read.unwrap().unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
    }
}

#[tokio::test]
async fn four_peers_that_fill_the_server_give_way_to_a_fifth_unless_they_are_served() {
    let routes = Router::new()
        .route("/", get(async || "here"))
        .route("/held", get(async || std::future::pending::<&str>().await));
    let bounds = Bounds {
        connections: 8,
        ..Bounds::default()
    };
    let served = Served::new(routes, bounds.clone()).await;
    let mut held = Vec::new();
    for number in 1..=4 {
        for _ in 0..2 {
            held.push(connect_from(&served, [127, 0, 0, number]).await);
        }
    }
    for peer in &mut held[1..] {
        peer.write_all(b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
    }
    let mut fifth = connect_from(&served, [127, 0, 0, 5]).await;
    fifth.write_all(GET).await.unwrap();
    let mut start = [0; 12];
    timeout(PATIENCE, fifth.read_exact(&mut start))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    assert_eq!(
        held[0].read(&mut start).await.unwrap(),
        0,
        "the idle one was ended"
    );
    // A peer with its share under way is refused, and holds nobody up.
    let mut third = connect_from(&served, [127, 0, 0, 2]).await;
    assert!(
        !timeout(PATIENCE, third.read(&mut start))
            .await
            .unwrap()
            .is_ok_and(|read| read > 0)
    );
    assert_eq!(bounds.counts.read()[..2], [("peer_limit", 1), ("idle", 1)]);
}

#[tokio::test]
async fn connections_of_a_proxy_are_those_of_many() {
    let bounds = Bounds {
        connections: 8,
        proxies: Proxies::new(|address| address.is_loopback()),
        ..Bounds::default()
    };
    let served = Served::new(Router::new(), bounds.clone()).await;
    let mut all = Vec::new();
    for _ in 0..8 {
        let mut peer = connect_from(&served, [127, 0, 0, 1]).await;
        peer.write_all(GET).await.unwrap();
        peer.read_u8().await.unwrap();
        all.push(peer);
    }
    assert_eq!(bounds.counts.read()[..2], [("peer_limit", 0), ("idle", 0)]);
}

/// Waits until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("it is so");
}
