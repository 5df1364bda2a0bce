//! Tests that one caller's flood, from however many rooms, is nobody else's trouble.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;
use warren_protocol::reply::Reply;
use warren_queue::{Prefetch, WorkerQueue};

use super::bench::{Answer, Bench, Does, HELLO, SOON, outcome, post, send};

/// The requests of a flood.
const FLOOD: usize = 300;
/// How many jobs the queue gets before a worker has announced itself.
const SENT_AHEAD: usize = 8;

/// A request that comes from that address.
fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    let peer: SocketAddr = address.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

fn spawn(bench: &Bench, address: &str, room: &str) -> JoinHandle<Answer> {
    let path = format!("/api/rooms/{room}/execute");
    let (router, request) = (bench.api.router.clone(), from(address, post(&path, HELLO)));
    tokio::spawn(async move { send(&router, request).await })
}

/// Lets every request get as far as it can: to its refusal, or into the queue. There is one thread.
async fn settle() {
    for _ in 0..2_000 {
        yield_now().await;
    }
}

/// Has one caller send its flood from so many rooms at once, and another one job after that.
/// Returns how many jobs a worker begins before that one, and how many of the flood were refused.
async fn place_behind_flood(rooms: usize) -> (usize, usize) {
    let bench = Bench::new().await;
    let queue = bench.queue.sibling();
    let one = Prefetch(NonZeroU16::MIN);
    let mut jobs = queue.deliveries(one, bench.stop.clone()).await.unwrap();
    let flood: Vec<_> = (0..FLOOD)
        .map(|n| {
            spawn(
                &bench,
                &format!("192.0.2.1:{}", 1_024 + n),
                &format!("r{}", n % rooms),
            )
        })
        .collect();
    settle().await;
    let refused = flood.iter().filter(|request| request.is_finished()).count();
    let other = spawn(&bench, "192.0.2.2:1024", "r0");
    settle().await;
    assert!(!other.is_finished(), "the other caller was refused");

    let mut begun = Vec::new();
    let place = loop {
        let offer = timeout(SOON, jobs.recv()).await.expect("a job comes");
        let delivery = offer.unwrap().into_job().unwrap();
        let job = delivery.job.clone();
        begun.push(job.caller);
        if begun.last() != begun.first() {
            break begun.len() - 1;
        }
        let reply = Reply::new(job.id, Ok(outcome(&job, "hello\n"))).about(job);
        delivery.reply(reply).await.unwrap();
    };
    flood.iter().for_each(JoinHandle::abort);
    (place, refused)
}

#[tokio::test]
async fn a_flood_from_255_rooms_delays_another_caller_no_more_than_one_from_one_room() {
    let (behind_one, refused_of_one) = place_behind_flood(1).await;
    let (behind_many, refused_of_many) = place_behind_flood(255).await;
    assert_eq!(behind_many, behind_one);
    // What was with the queue already, and one in turn.
    assert!(behind_many <= SENT_AHEAD + 2, "{behind_many}");
    // The other caller finds a permit, since the flood gets no more than its part of them.
    assert!(
        refused_of_many >= FLOOD - 256 * 2 / 3 - 1,
        "{refused_of_many}"
    );
    assert!(
        refused_of_one > refused_of_many,
        "a room gets less than its caller"
    );
}

#[tokio::test]
async fn an_address_is_its_network() {
    let bench = Bench::with(|config| config.max_in_flight = 3).await;
    bench.worker(Does::Nothing).await;
    let neighbours = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"];
    let flood = neighbours.map(|address| spawn(&bench, address, &address.replace(['[', ']'], "r")));
    settle().await;
    let finished = flood.iter().filter(|request| request.is_finished()).count();
    assert_eq!(finished, 1, "one network has two of three permits");
    let other = spawn(&bench, "[2001:db8:0:1::1]:1", "r1");
    settle().await;
    assert!(!other.is_finished());
}

/// Sends a batch of hellos.
async fn batch(bench: &Bench, address: &str, room: &str, count: usize) -> Answer {
    let hello: Value = serde_json::from_str(HELLO).unwrap();
    let body = json!({ "submissions": vec![hello; count] }).to_string();
    let path = format!("/api/rooms/{room}/execute/batch");
    send(&bench.api.router, from(address, post(&path, body))).await
}

/// Returns the ids of the jobs that were taken. The others must have been refused for their caller.
fn taken(answer: &Answer) -> Vec<String> {
    if answer.status == 429 {
        answer.error(429, "too_many_open_jobs");
        return Vec::new();
    }
    assert_eq!(answer.status, 202, "{}", answer.body);
    let jobs = answer.body["jobs"].as_array().unwrap().iter();
    let taken = jobs.filter(|job| {
        let is_taken = job["status"] == "pending";
        assert!(
            is_taken || job["error"]["code"] == "too_many_open_jobs",
            "{job}"
        );
        is_taken
    });
    taken
        .map(|job| job["jobId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_hundred_batches_of_one_caller_leave_the_queue_open_to_others() {
    let bench = Bench::new().await;
    let mut count = 0;
    for number in 0..100 {
        let answer = batch(&bench, "192.0.2.1:1", &format!("r{number}"), 100).await;
        count += taken(&answer).len();
    }
    // Two thirds of ten thousand.
    assert!((6_600..=6_700).contains(&count), "{count}");
    let others = batch(&bench, "192.0.2.2:1", "r0", 100).await;
    assert_eq!(taken(&others).len(), 100);

    let mut one = post("/api/rooms/new/execute", HELLO);
    let prefer = "respond-async".parse().unwrap();
    one.headers_mut().insert("prefer", prefer);
    let refused = send(&bench.api.router, from("192.0.2.1:2", one)).await;
    refused.error(429, "too_many_open_jobs");
}

#[tokio::test]
async fn a_job_that_has_ended_is_no_longer_open() {
    let bench = Bench::recording().await;
    bench.worker(Does::Prints("hello\n")).await;
    let jobs = taken(&batch(&bench, "192.0.2.1:1", "r0", 20).await);
    assert_eq!(jobs.len(), 20);
    for job in &jobs {
        bench.recorded(job, "completed").await;
    }
    // Ends are published after they were recorded.
    let none_open = async {
        loop {
            let told = bench.exposition().await;
            if told.contains("\nwarren_api_open_jobs 0\n") {
                return;
            }
            yield_now().await;
        }
    };
    timeout(SOON, none_open).await.expect("no job stays open");
}
