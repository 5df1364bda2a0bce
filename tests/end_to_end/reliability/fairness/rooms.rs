//! A flood beside another caller's jobs, which are answered nevertheless.
//!
//! The flood is one room's, or one caller's in very many rooms: it has no more of the worker then.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::caller::Caller;
use super::keys::Keys;
use crate::harness::http::{self, Answer};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{machine, warren::Warren};

/// The number of jobs that a flood sends at once.
const FLOOD: usize = 1_000;
/// The number of those that are sent again once they are answered, or when a refusal says so, so
/// that the flood does not end.
const PERSISTENT: usize = 100;
/// The rooms of a caller who sends from many. Turns by room alone would give it all but one of 256.
const ROOMS: usize = 255;
/// The other caller's jobs, one after the other.
const SINGLE: usize = 8;
/// The pause between two of them.
const GAP: Duration = Duration::from_millis(100);
/// The longest that one of these may take, on a machine without other load (`make soak-fairness`).
const WITHIN: Duration = Duration::from_secs(1);
/// The worker's slots.
const SLOTS: usize = 4;
/// The number of the flood's jobs that may begin between the sending and the start of the other
/// caller's job: those that are with the queue, and two that arrive between the checks.
const BEFORE: usize = SLOTS + 1 + 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_room_does_not_delay_another_rooms_job() {
    let _machine = machine::alone().await;
    let site = Site::start(&[]).await;
    let flood = |_number| Caller::of(&site.api, "flood");
    beside(&site, flood, &Caller::of(&site.api, "single")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_caller_in_255_rooms_does_not_delay_another_callers_job() {
    let _machine = machine::alone().await;
    let keys = Keys::new(&["flood", "single"]);
    let site = Site::start(&[("WARREN_API_KEYS_FILE", keys.file())]).await;
    let flood = |number: usize| {
        let room = format!("flood-{}", number % ROOMS);
        Caller::of(&site.api, &room).with_key(&keys[0])
    };
    let single = Caller::of(&site.api, "single").with_key(&keys[1]);
    beside(&site, flood, &single).await;
}

/// A worker, and an API that knows of it.
struct Site {
    worker: Warren,
    api: Warren,
    _vhost: Vhost,
}

impl Site {
    /// Starts both, the API with these variables, and waits until the pool is full.
    async fn start(of_api: &[(&str, &str)]) -> Self {
        let vhost = Vhost::fresh().await;
        let url = vhost.amqp_url();
        let broker = [("RABBITMQ_URL", url.as_str())];
        let slots = SLOTS.to_string();
        let sized = [broker[0], ("WARREN_SLOTS", slots.as_str())];
        let worker = Warren::start("worker", &sized).await.expect("a worker");
        let variables = [&broker, of_api].concat();
        let api = Warren::start("api", &variables).await.expect("the API");
        worker.until_pool_is_full().await;

        let url = api.api.clone().expect("an API");
        until(SOON, "the API to hear of the worker", async || {
            let health = http::get(format!("{url}/api/health")).await;
            health.is_ok_and(|health| health.health_without_host() == "ok")
        })
        .await;
        Self {
            worker,
            api,
            _vhost: vhost,
        }
    }
}

/// Sends a flood, each job as the caller that `flood` makes for its number, and sees that the jobs of
/// `single` have their turns beside it.
async fn beside(site: &Site, flood: impl Fn(usize) -> Caller, single: &Caller) {
    let (worker, caller_of) = (&site.worker, flood);
    let mut flood = JoinSet::new();
    for number in 0..FLOOD {
        let again = number < PERSISTENT;
        flood.spawn(one_of_many(caller_of(number), again));
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
    eprintln!(
        "fairness: beside {FLOOD} jobs sent at once ({served} answered, {} refused) another caller's take {:.0?} and {times:.0?}, with {before:?} of the flood's begun before each",
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
