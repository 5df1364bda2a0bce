//! Fairness between callers and unattended jobs, and between rooms.
//!
//! Unattended jobs do not delay those of callers, and one room's do not delay another's.

mod batch;
mod caller;
mod crowd;
mod keys;
mod rooms;
mod sent;
mod starts;

use std::time::Duration;

use crate::harness::rabbitmq::Vhost;
use crate::harness::{machine, warren::Warren};
use caller::Caller;
use crowd::Crowd;
use starts::Starts;
use warren_queue::rabbit::lanes::LANES;

/// The number of unattended jobs in `make test`; `make soak-fairness` sets 10,000. It makes no
/// difference to a worker, which knows only those that it has fetched.
const FEW: usize = 500;
/// Interactive jobs that are measured, with and without the crowd.
const MEASURED: usize = 40;
/// The pause between the end of one of them and the next.
const GAP: Duration = Duration::from_millis(100);
/// The most times that both are measured: other load on this machine comes and goes.
const ROUNDS: usize = 3;
/// The factor by which two equal series may differ, on a machine with other load that comes and
/// goes.
const NOISE: f64 = 2.0;
/// The containers whose start is measured beside the crowd.
const STARTS: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn unattended_jobs_do_not_delay_those_of_callers() {
    let many = std::env::var("WARREN_SOAK_FAIRNESS");
    let many = many.map(|text| text.parse().expect("WARREN_SOAK_FAIRNESS: how many jobs"));
    let many = many.unwrap_or(FEW);

    let _machine = machine::alone().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let worker = Warren::start("worker", &broker).await.expect("a worker");
    let api = Warren::start("api", &broker).await.expect("the API");
    worker.until_pool_is_full().await;
    let (caller, crowd) = (Caller::of(&api, "callers"), Crowd::new(&url));
    // From now on there are callers, so the crowd has its share and no more.
    Series::of(&caller, 10).await;

    let mut seen = Vec::new();
    for round in 1..=ROUNDS {
        let idle = Series::of(&caller, MEASURED).await;
        crowd.submit(many).await;
        // Measures a container's start here and now, in a room that takes turns with the crowd's.
        let starts = Starts::begin(&api, STARTS).await;
        let crowded = Series::of(&caller, MEASURED).await;
        assert!(crowd.waiting().await > 0, "the crowd was gone too soon");
        let start = starts.longest().await;
        assert!(crowd.begun(&worker) > 0, "the crowd has no share");
        println!(
            "fairness, round {round}: alone {idle:.1?}; with {many} others queued, of which {} were begun, {crowded:.1?}; a container's start takes {start:.1?}",
            crowd.begun(&worker)
        );
        if crowded.p95 <= idle.p95.mul_f64(NOISE) + start {
            return;
        }
        seen.push((idle.p95, crowded.p95, start));
        for lane in LANES {
            vhost.purge(lane).await.expect("an empty queue");
        }
    }
    panic!("a caller's p95 grows by more than a container's start beside the crowd: {seen:.1?}");
}

/// The times that answers took.
#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct Series {
    p50: Duration,
    p95: Duration,
    worst: Duration,
}

impl Series {
    /// Measures so many jobs, one after the other.
    async fn of(caller: &Caller, count: usize) -> Self {
        let mut times = Vec::new();
        for _ in 0..count {
            let answer = caller.ask().await;
            assert_eq!(answer.status, 200, "{answer:?}");
            times.push(answer.took);
            tokio::time::sleep(GAP).await;
        }
        times.sort();
        let part = |percent: usize| times[(times.len() - 1) * percent / 100];
        Self {
            p50: part(50),
            p95: part(95),
            worst: part(100),
        }
    }
}
