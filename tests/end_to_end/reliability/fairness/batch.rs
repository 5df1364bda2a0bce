//! A batch of unattended jobs, alone and beside callers.
//!
//! It is done soon however many callers there are, and rooms take turns.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::caller::Caller;
use super::sent::{completed, send};
use crate::harness::rabbitmq::Vhost;
use crate::harness::{machine, warren::Warren};

/// The jobs of the batch.
const BATCH: u32 = 20;
/// The time within which it is done on an idle machine of two cores.
const IDLE: Duration = Duration::from_secs(10);
/// The time within which it is done beside one caller a second.
const BESIDE: Duration = Duration::from_secs(30);
/// The batches of a hundred that the busier room sends.
const FLOOD: usize = 3;
/// The jobs of the other room.
const FEW: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_done_soon_alone_and_beside_callers() {
    let _machine = machine::alone().await;
    let site = Site::start().await;
    let caller = Caller::of(&site.api, "callers");

    // The time of one such job here and now; a machine that is slow or busy may take as long for
    // each.
    let one = site.timed(1).await.max(site.timed(1).await);
    caller.ask().await;
    let idle = site.timed(BATCH).await;
    let callers = one_a_second(Caller::of(&site.api, "callers"));
    let beside = site.timed(BATCH).await;
    assert!(!callers.is_finished(), "a caller got no answer");
    callers.abort();

    println!(
        "batch: one job {one:.2?}; {BATCH} jobs {idle:.2?} alone, {beside:.2?} beside one caller a second"
    );
    assert!(idle < IDLE.max(2 * one * BATCH), "{idle:?}; one: {one:?}");
    // Beside callers the batch has a quarter of the slots' time: one of four slots.
    assert!(
        beside < BESIDE.max(4 * one * BATCH),
        "{beside:?}; one: {one:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_sends_little_is_not_behind_one_that_sends_much() {
    let _machine = machine::shared().await;
    let site = Site::start().await;
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        flood.extend(send(&site.api, "flood", 100).await);
    }
    let few = send(&site.api, "few", FEW).await;
    for job in &few {
        completed(&site.api, job).await;
    }
    let begun = site.worker.begun();
    let position = |job: &String| begun.iter().position(|begun| begun.job == *job);
    let first = few.iter().filter_map(position).min().expect("it was begun");
    let last = few.iter().filter_map(position).max().expect("it was begun");
    let between = begun[first..last].iter();
    let between = between.filter(|begun| flood.contains(&begun.job)).count();
    println!(
        "batch: {first} jobs were begun before the first of the few, and {between} of the flood until the last"
    );
    // In turn: one of the flood for each of the few. The log's own order may differ slightly.
    assert!(between <= 2 * few.len(), "{between}");
    assert!(last < flood.len(), "the flood was over first: {last}");
}

struct Site {
    api: Warren,
    worker: Warren,
    _vhost: Vhost,
}

impl Site {
    async fn start() -> Self {
        let vhost = Vhost::fresh().await;
        let url = vhost.amqp_url();
        let variables = [("RABBITMQ_URL", url.as_str()), ("WARREN_SLOTS", "4")];
        let worker = Warren::start("worker", &variables).await.expect("a worker");
        let api = Warren::start("api", &variables).await.expect("the API");
        worker.until_pool_is_full().await;
        Self {
            api,
            worker,
            _vhost: vhost,
        }
    }

    /// Sends a batch of that many jobs. Returns the time from its sending to its last result.
    async fn timed(&self, count: u32) -> Duration {
        let started = Instant::now();
        for job in send(&self.api, "batch", count).await {
            completed(&self.api, &job).await;
        }
        started.elapsed()
    }
}

fn one_a_second(caller: Caller) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            let answer = caller.ask().await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    })
}
