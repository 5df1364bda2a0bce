//! A batch of unattended jobs, alone and beside callers.
//!
//! It is done soon whatever callers there are, and rooms take turns.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::rooms::Caller;
use crate::harness::http::{self, Answer, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{machine, warren::Warren};

/// The jobs of the batch.
const BATCH: u32 = 20;
/// How soon it is done on an idle machine of two cores.
const IDLE: Duration = Duration::from_secs(10);
/// How soon it is done beside one caller a second.
const BESIDE: Duration = Duration::from_secs(30);
/// What the room sends that has far more to do than the other.
const FLOOD: usize = 3;
/// The longest that the API may be asked to wait for a result.
const WAIT_S: u32 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_done_soon_alone_and_beside_callers() {
    let _machine = machine::alone().await;
    let site = Site::start().await;
    let caller = Caller::of(&site.api, "callers");

    // What one such job takes here and now; a machine that is slow or busy may take as long for each.
    let one = site.timed(1).await;
    caller.ask().await;
    let idle = site.timed(BATCH).await;
    let callers = one_a_second(Caller::of(&site.api, "callers"));
    let beside = site.timed(BATCH).await;
    callers.abort();

    println!(
        "batch: one job {one:.2?}; {BATCH} jobs {idle:.2?} alone, {beside:.2?} beside one caller a second"
    );
    assert!(idle < IDLE.max(one * BATCH), "{idle:?}; one: {one:?}");
    // Beside callers a quarter of the slots' time: one of four slots.
    assert!(
        beside < BESIDE.max(2 * one * BATCH),
        "{beside:?}; one: {one:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_sends_little_is_not_behind_one_that_sends_much() {
    let _machine = machine::shared().await;
    let site = Site::start().await;
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        flood.extend(site.send("flood", 100).await);
    }
    let few = site.send("few", 5).await;
    for job in &few {
        assert_eq!(site.ended(job).await.text("state"), "finished");
    }
    let begun = site.worker.begun();
    let position = |job: &String| begun.iter().position(|begun| begun.job == *job);
    let last = few.iter().filter_map(position).max().expect("it was begun");
    let before = begun[..last]
        .iter()
        .filter(|begun| flood.contains(&begun.job));
    // Some had begun when the few came. From then on there is one of the flood for each of the few.
    let before = before.count();
    println!(
        "batch: {before} of {} jobs of the flood were begun before the last of the few",
        flood.len()
    );
    assert!(before < flood.len() / 2, "{before} of {}", flood.len());
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

    /// Sends a batch of that many hellos; their ids.
    async fn send(&self, room: &str, count: u32) -> Vec<String> {
        let submissions = vec![program("python", "print('hello')"); count.try_into().expect("few")];
        let url = format!("{}/api/rooms/{room}/execute/batch", self.url());
        let taken = http::submit(url, &json!({ "submissions": submissions })).await;
        let taken = taken.expect("an answer");
        assert_eq!(taken.status, 202, "{}", taken.raw);
        let jobs = taken.body["jobs"].as_array().expect("a list");
        let id = |job: &Value| job["jobId"].as_str().expect("an id").to_owned();
        jobs.iter().map(id).collect()
    }

    /// How long a batch of that many takes from its sending to its last result.
    async fn timed(&self, count: u32) -> Duration {
        let started = Instant::now();
        for job in self.send("batch", count).await {
            let ended = self.ended(&job).await;
            assert_eq!(ended.text("status"), "completed", "{}", ended.raw);
        }
        started.elapsed()
    }

    /// The end of a job.
    async fn ended(&self, job: &str) -> Answer {
        let url = format!("{}/api/executions/{job}", self.url());
        // A caller is answered before it is on record that the result is to come.
        until(SOON, "the job to be on record", async || {
            let seen = http::get(url.clone()).await;
            seen.is_ok_and(|seen| seen.status == 200)
        })
        .await;
        let started = Instant::now();
        loop {
            let seen = http::get(format!("{url}?wait={WAIT_S}")).await;
            let seen = seen.expect("an answer");
            if seen.text("state") == "finished" || started.elapsed() > SOON {
                return seen;
            }
        }
    }

    fn url(&self) -> &str {
        self.api.api.as_ref().expect("an API")
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
