//! Jobs that kill every worker that runs them, among many that do not.
//!
//! No program can kill its worker, so the test does: whenever a worker begins a poison job, it is
//! killed at once. The language distinguishes the two kinds in the workers' logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use warren_protocol::reply::MAX_TRIES;
use warren_queue::rabbit::topology::DEAD_JOBS;

use crate::harness::http::{self, program};
use crate::harness::machine;
use crate::harness::rabbitmq::Vhost;
use crate::harness::warren::{Begun, Warren};

const POISON: &str = "python";
const NORMAL: &str = "javascript";
/// The number of poison jobs, unless `WARREN_SOAK_POISON` sets another.
const FEW: usize = 4;
/// The number of normal jobs for each of them.
const NORMAL_FOR_EACH: usize = 15;
/// The same when there are many poison jobs: 200 are to be among 5,000.
const NORMAL_FOR_EACH_OF_MANY: usize = 25;
/// The number of workers: one is killed by the first try, one by the second, and one is left.
const WORKERS: usize = 3;
/// Callers of normal jobs at a time.
const CALLERS: usize = 3;
/// The most poison jobs that may be late for their callers, on the busiest machine.
const MOST_LATE: usize = 40;
/// The interval at which the workers' logs are read.
const GLANCE: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread")]
async fn each_poison_job_is_stopped_after_two_tries_and_no_other_is_affected() {
    let _machine = machine::alone().await;
    let (poison, normal) = match std::env::var("WARREN_SOAK_POISON") {
        Ok(many) => {
            let many: usize = many
                .parse()
                .expect("WARREN_SOAK_POISON is a number of jobs");
            (many, many * NORMAL_FOR_EACH_OF_MANY)
        }
        Err(_unset) => (FEW, FEW * NORMAL_FOR_EACH),
    };
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let started = Instant::now();
    let fleet = Fleet::start(&url);
    fleet.until_complete().await;
    let api = Warren::start("api", &[("RABBITMQ_URL", url.as_str())])
        .await
        .expect("the API starts");

    let execute = api.execute_url();
    let ((slowest_poison, late), slowest_normal) = tokio::join!(
        all_poison(&execute, poison, &fleet),
        all_normal(&execute, normal)
    );
    let mut letters = Vec::new();
    for _ in 0..poison {
        let letter = vhost.take(DEAD_JOBS).await;
        letters.push(letter.expect("one for each poison job"));
    }
    // A job that was late for its caller may also have used up its tries.
    letters.extend(
        vhost
            .take_all(DEAD_JOBS, late + 1)
            .await
            .expect("an answer"),
    );
    assert!(letters.len() <= poison + late, "{letters:?}");
    let mut dead = BTreeSet::new();
    for letter in letters {
        let properties = &letter["properties"];
        let reason = &properties["headers"]["warren-reason"];
        assert_eq!(reason, "worker_crashed", "{letter}");
        let id = properties["correlation_id"].as_str().unwrap_or_default();
        dead.insert(id.to_owned());
    }

    let (begun, killed) = fleet.stop().await;
    let mut tries = BTreeMap::<String, u32>::new();
    let mut runs_of_normal = 0;
    for one in begun {
        if one.language == POISON {
            *tries.entry(one.job).or_default() += 1;
        } else {
            runs_of_normal += 1;
        }
    }
    assert!(
        dead.iter().all(|job| tries.get(job) == Some(&MAX_TRIES)),
        "{tries:?} {dead:?}"
    );
    assert!(tries.values().all(|tries| *tries <= MAX_TRIES), "{tries:?}");
    assert!(tries.len() <= poison + late, "{tries:?} {dead:?}");
    println!(
        "poison: {poison} jobs stopped after {MAX_TRIES} tries each ({killed} workers killed), \
         {normal} normal ones answered ({} of them begun again), slowest answers {:.1} s and {:.1} s, \
         {:.0} s in all",
        runs_of_normal - normal,
        slowest_poison.as_secs_f64(),
        slowest_normal.as_secs_f64(),
        started.elapsed().as_secs_f64(),
    );
}

/// Submits poison jobs, one after the other, until so many are reported as `worker_crashed`.
/// Returns the longest time to such an answer, and how many were late: on a busy machine two tries
/// may not fit into a caller's time.
async fn all_poison(url: &str, count: usize, fleet: &Fleet) -> (Duration, usize) {
    // As long as a program may take: it must not end before its worker does.
    let submission = program(POISON, "import time\ntime.sleep(2.8)\nprint('survived')");
    let (mut slowest, mut late, mut stopped) = (Duration::ZERO, 0, 0);
    while stopped < count {
        fleet.until_complete().await;
        let answer = http::submit(url.to_owned(), &submission).await;
        let answer = answer.expect("an answer");
        if answer.is_late() {
            late += 1;
            assert!(late < MOST_LATE, "{late} were late: {}", answer.body);
            continue;
        }
        stopped += 1;
        assert_eq!(
            (answer.status, answer.error_code()),
            (500, "worker_crashed"),
            "{}",
            answer.body
        );
        slowest = slowest.max(answer.took);
    }
    (slowest, late)
}

/// Submits normal jobs, a few at a time; returns the longest time to an answer.
async fn all_normal(url: &str, count: usize) -> Duration {
    let answers = stream::iter(0..count).map(|n| async move {
        let submission = program(NORMAL, &format!("console.log('normal', {n})"));
        (n, http::judged(url, &submission).await)
    });
    let mut answers = answers.buffer_unordered(CALLERS);
    let mut slowest = Duration::ZERO;
    while let Some((n, answer)) = answers.next().await {
        assert_eq!(
            (answer.status, answer.text("stdout")),
            (200, format!("normal {n}\n").as_str()),
            "{}",
            answer.body
        );
        slowest = slowest.max(answer.took);
    }
    slowest
}

/// A fleet of workers, each replaced as soon as a poison job has killed it.
struct Fleet {
    seats: JoinSet<(Vec<Begun>, usize)>,
    healthy: Arc<watch::Sender<usize>>,
    stop: CancellationToken,
}

impl Fleet {
    fn start(url: &str) -> Self {
        let (healthy, stop) = (Arc::new(watch::Sender::new(0)), CancellationToken::new());
        let mut seats = JoinSet::new();
        for _ in 0..WORKERS {
            seats.spawn(seat(url.to_owned(), Arc::clone(&healthy), stop.clone()));
        }
        Self {
            seats,
            healthy,
            stop,
        }
    }

    /// Waits until every place has a worker.
    async fn until_complete(&self) {
        let mut healthy = self.healthy.subscribe();
        let complete = healthy.wait_for(|healthy| *healthy == WORKERS);
        complete.await.expect("the fleet is there");
    }

    /// Ends the workers. Returns the jobs that they all began, and how many workers were killed.
    async fn stop(self) -> (Vec<Begun>, usize) {
        self.stop.cancel();
        let (mut begun, mut killed) = (Vec::new(), 0);
        for (began, died) in self.seats.join_all().await {
            begun.extend(began);
            killed += died;
        }
        (begun, killed)
    }
}

/// Fills one place in the fleet: with a worker, and after its death with the next.
async fn seat(
    url: String,
    healthy: Arc<watch::Sender<usize>>,
    stop: CancellationToken,
) -> (Vec<Begun>, usize) {
    // No container is started ahead of the jobs: most of that work would be lost with the worker.
    let variables = [
        ("RABBITMQ_URL", url.as_str()),
        ("WARREN_SLOTS", "2"),
        ("WARREN_POOL_SIZE", "0"),
    ];
    let (mut begun, mut killed) = (Vec::new(), 0);
    while !stop.is_cancelled() {
        let mut worker = Warren::start("worker", &variables)
            .await
            .expect("a worker starts");
        healthy.send_modify(|healthy| *healthy += 1);
        let poisoned = async {
            while !worker.begun().iter().any(|one| one.language == POISON) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        if stop.run_until_cancelled(poisoned).await.is_some() {
            worker.kill();
            killed += 1;
        }
        healthy.send_modify(|healthy| *healthy -= 1);
        begun.extend(worker.begun());
    }
    (begun, killed)
}
