//! A flood of one room beside another room's jobs.
//!
//! One room sends far more than can be done; the other's jobs are answered nevertheless.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::harness::http::{self, Answer, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{load, machine, warren::Warren};

/// The number of jobs that the one room sends at once.
const FLOOD: usize = 1_000;
/// The number of those that are sent again once they are answered, or when a refusal says so, so
/// that the flood does not end.
const PERSISTENT: usize = 100;
/// The other room's jobs, one after the other.
const SINGLE: usize = 8;
/// The pause between two of them.
const GAP: Duration = Duration::from_millis(100);
/// The longest that one of these may take, on a machine without other load (`make soak-fairness`).
const WITHIN: Duration = Duration::from_secs(1);
/// The worker's slots.
const SLOTS: usize = 4;
/// The number of the flood's jobs that may begin between the sending and the start of another
/// room's job: those that are with the queue, and two that arrive between the checks.
const BEFORE: usize = SLOTS + 1 + 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_room_does_not_delay_another_rooms_job() {
    let _machine = machine::alone().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let slots = SLOTS.to_string();
    let sized = [broker[0], ("WARREN_SLOTS", slots.as_str())];
    let worker = Warren::start("worker", &sized).await.expect("a worker");
    let api = Warren::start("api", &broker).await.expect("the API");
    worker.until_pool_is_full().await;

    let url = api.api.clone().expect("an API");
    until(SOON, "the API to hear of the worker", async || {
        let told = http::get(format!("{url}/metrics")).await;
        told.is_ok_and(|told| told.raw.contains("warren_api_workers{state=\"ready\"} 1"))
    })
    .await;

    let mut flood = JoinSet::new();
    for number in 0..FLOOD {
        let again = number < PERSISTENT;
        flood.spawn(one_of_many(Caller::of(&api, "flood"), again));
    }
    // The flood has arrived once one of its callers was refused.
    let mut answers = Vec::new();
    while !answers.iter().any(|answer: &Answer| answer.status == 503) {
        answers.extend(
            flood
                .join_next()
                .await
                .expect("refusals")
                .expect("no panic"),
        );
    }
    let single = Caller::of(&api, "single");
    // This caller's connection is behind a thousand others, so its answer shows that the API has
    // seen them all. A machine that takes long for these may have no time left for it at first.
    let mut first = single.ask().await;
    let started = Instant::now();
    while first.retry_after.is_some() && started.elapsed() < SOON {
        first = single.ask().await;
    }
    assert_eq!(first.status, 200, "{first:?}");
    let (mut times, mut before) = (Vec::new(), Vec::new());
    for _ in 0..SINGLE {
        let mut sent = worker.begun().len();
        let mut answer = single.ask().await;
        // On a busy machine even the next in turn may be late; only the order of turns counts.
        while answer.is_late() && !flood.is_empty() {
            sent = worker.begun().len();
            answer = single.ask().await;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let job = answer.job_id.expect("it became a job");
        let mut begun = worker.begun().into_iter().skip(sent);
        before.push(
            begun
                .position(|begun| begun.job == job)
                .expect("it was begun"),
        );
        times.push(answer.took);
        tokio::time::sleep(GAP).await;
    }
    assert!(!flood.is_empty(), "the flood was over too soon");
    flood.abort_all();
    while let Some(one) = flood.join_next().await {
        answers.extend(one.unwrap_or_default());
    }
    for answer in &answers {
        // Refused as overloaded, or because the broker is too busy to take it in time.
        let is_refused = answer.status == 503 && answer.retry_after.is_some();
        // Late, and reported as such: the machine has become slower since the job was accepted.
        let is_late = answer.error_code() == "timed_out";
        assert!(answer.status == 200 || is_refused || is_late, "{answer:?}");
    }
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    println!(
        "fairness: beside a room that sends {FLOOD} jobs at once ({served} answered, {} refused) another room's take {:.0?} and {times:.0?}, with {before:?} of that room's begun before each",
        answers.len() - served,
        first.took
    );
    assert!(before.iter().all(|before| *before <= BEFORE), "{before:?}");
    if std::env::var_os("WARREN_SOAK_FAIRNESS").is_some() {
        assert!(first.took < WITHIN, "{:?}", first.took);
        assert!(times.iter().all(|took| *took < WITHIN), "{times:?}");
    }
}

/// Returns the answers to one caller's requests. With `again`, the caller asks again until it is
/// stopped.
async fn one_of_many(caller: Caller, again: bool) -> Vec<Answer> {
    let (mut answers, started) = (Vec::new(), Instant::now());
    loop {
        let answer = caller.ask().await;
        let pause = answer
            .retry_after
            .as_deref()
            .map_or(Duration::ZERO, |seconds| {
                Duration::from_secs(seconds.parse().expect("whole seconds"))
            });
        answers.push(answer);
        if !again || started.elapsed() > ENOUGH {
            return answers;
        }
        tokio::time::sleep(pause).await;
    }
}

/// The time for which they ask again.
const ENOUGH: Duration = Duration::from_secs(60);

/// A caller of one room.
pub struct Caller {
    address: String,
    path: String,
}

impl Caller {
    /// Creates a caller of that room.
    pub fn of(api: &Warren, room: &str) -> Self {
        let url = api.api.as_ref().expect("an API");
        let address = url.strip_prefix("http://").expect("an address");
        Self {
            address: address.to_owned(),
            path: format!("/api/rooms/{room}/execute"),
        }
    }

    /// Sends a trivial job.
    pub async fn ask(&self) -> Answer {
        let hello = program("python", "print('hello')").to_string();
        let answer = load::post(&self.address, &self.path, &hello).await;
        answer.expect("an answer")
    }
}
