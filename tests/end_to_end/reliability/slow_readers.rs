//! Slow readers of the largest answers cost the API bounded memory, and other callers nothing.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::harness::http::{self, program};
use crate::harness::wait::SOON;
use crate::harness::{machine, warren::Warren};

/// What all readers together may cost: the bound that API.md and OPERATIONS.md state.
const MOST: u64 = 64 << 20;
/// The readers, and from how many addresses they come.
const READERS: u8 = 80;
const PEERS: u8 = 8;
/// For how long they read: longer than it takes to cut one.
const READING: Duration = Duration::from_secs(25);

/// Bytes that are six in JSON, on both streams, in each of ten cases that have large inputs.
fn largest() -> Value {
    let code = "import posix\nposix.write(1, b'\\x01' * 65536)\nposix.write(2, b'\\x02' * 65536)";
    let case = json!({"input": "x".repeat(90_000), "expectedOutput": "x"});
    json!({"language": "python", "code": code, "testCases": vec![case; 10]})
}

#[tokio::test(flavor = "multi_thread")]
async fn eighty_slow_readers_of_the_largest_answer_leave_memory_bounded_and_others_served() {
    let _machine = machine::alone().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let answer = warren.judged(&largest()).await;
    assert_eq!(answer.text("status"), "wrong_answer", "{:.300}", answer.raw);
    // Larger than what is let through without a place; smaller than a record may be.
    let size = answer.raw.len();
    assert!((2 << 20..4 << 20).contains(&size), "{size} bytes");
    let job = answer.text("jobId").to_owned();
    let path = format!("/api/executions/{job}");
    let api = warren.api.clone().expect("an API");
    let started = Instant::now();
    while http::get(format!("{api}{path}"))
        .await
        .expect("an answer")
        .status
        != 200
    {
        assert!(started.elapsed() < SOON, "it is not recorded");
    }
    let idle = memory(&warren);
    let address: SocketAddr = api
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let reading =
        (0..READERS).map(|number| tokio::spawn(read_slowly(address, path.clone(), number % PEERS)));
    let readers: Vec<_> = reading.collect();

    let (started, mut most) = (Instant::now(), 0);
    while started.elapsed() < READING {
        most = most.max(memory(&warren));
        sleep(Duration::from_millis(20)).await;
    }
    // While they read: a job, and its record. A debug build is short of CPU for as long as it makes the
    // first answers.
    let started = Instant::now();
    let small = loop {
        let answer = warren.judged(&program("python", "print(1)")).await;
        if answer.status == 200 {
            break answer;
        }
        assert!(started.elapsed() < SOON, "{:.300}", answer.raw);
        sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(small.text("stdout"), "1\n", "{:.300}", small.raw);
    let record = format!("{api}/api/executions/{}", small.text("jobId"));
    let started = Instant::now();
    while http::get(record.clone()).await.expect("an answer").status != 200 {
        assert!(started.elapsed() < SOON, "a small record is not read");
        sleep(Duration::from_millis(100)).await;
    }
    most = most.max(memory(&warren));
    for reader in &readers {
        reader.abort();
    }
    let grown = most.saturating_sub(idle);
    println!(
        "{size} bytes an answer; idle {} MiB, at most {} MiB more",
        idle >> 20,
        grown >> 20
    );
    assert!(
        grown <= MOST,
        "{} MiB more than the idle {} MiB",
        grown >> 20,
        idle >> 20
    );
    // Without bounds, they would hold all of it.
    assert!(u64::try_from(size).unwrap() * u64::from(READERS) > 2 * MOST);
}

/// Takes 1,500 bytes every second, with little room in the kernel; begins anew when it is cut.
async fn read_slowly(address: SocketAddr, path: String, peer: u8) {
    loop {
        let mut stream = connect(address, peer).await;
        let get = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        if stream.write_all(get.as_bytes()).await.is_err() {
            continue;
        }
        let mut bytes = [0; 1_500];
        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
            sleep(Duration::from_secs(1)).await;
        }
        // As `Retry-After` says; no test of how much CPU reading costs.
        sleep(Duration::from_secs(10)).await;
    }
}

/// All of 127.0.0.0/8 is this machine.
async fn connect(address: SocketAddr, peer: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let from = SocketAddr::from(([127, 0, 0, 10 + peer], 0));
    socket.bind(from).expect("an address of this machine");
    socket.connect(address).await.expect("it accepts")
}

/// Returns the memory that a process has in use, in bytes.
fn memory(warren: &Warren) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", warren.pid()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("its memory") * 1024
}
