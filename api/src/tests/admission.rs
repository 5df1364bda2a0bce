//! Tests of requests whose job could not finish in time.

use std::num::NonZeroU16;
use std::time::Duration;

use tokio::time::timeout;
use warren_protocol::ids::InstanceId;
use warren_protocol::presence::{WorkerState, WorkerStatus};
use warren_protocol::time::EpochMillis;
use warren_queue::{Prefetch, WorkerQueue};

use super::bench::{Bench, Does, EXECUTE, HELLO, post, send};

fn worker(state: WorkerState) -> WorkerStatus {
    WorkerStatus {
        version: WorkerStatus::VERSION,
        instance: InstanceId::new("worker"),
        state,
        slots: 1,
        running: 0,
        service: None,
        sent_at: EpochMillis::now(),
    }
}

#[tokio::test]
async fn a_job_that_would_wait_too_long_is_refused_unread_and_a_free_slot_is_given() {
    // Too short for any wait at all behind a program that may take three seconds.
    let bench = Bench::with(|config| config.wait = Duration::from_secs(2)).await;
    bench.worker(Does::Nothing).await;
    bench.queue.announce(&worker(WorkerState::Ready)).await;
    let router = bench.api.router.clone();
    let first = tokio::spawn(async move { send(&router, post(EXECUTE, HELLO)).await });
    bench.job_taken().await;

    let refused = bench.post(HELLO).await;
    refused.error(503, "overloaded");
    assert_eq!(refused.header("connection"), Some("close"));
    let unread = bench.post("this is no JSON").await;
    unread.error(503, "overloaded");

    // A caller who leaves makes room.
    first.abort();
    assert!(first.await.is_err());
    let router = bench.api.router.clone();
    let next = tokio::spawn(async move { send(&router, post(EXECUTE, HELLO)).await });
    bench.job_taken().await;
    next.await.unwrap().error(504, "timed_out");
}

#[tokio::test]
async fn without_announcements_everything_is_admitted() {
    let bench = Bench::with(|config| config.wait = Duration::from_secs(2)).await;
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(200), ""))
        .await;
    let answers = futures_util::future::join_all((0..8).map(|_| bench.post(HELLO))).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
}

#[tokio::test]
async fn health_reports_announced_workers() {
    let bench = Bench::new().await;
    let queue = bench.queue.sibling();
    let prefetch = Prefetch(NonZeroU16::MIN);
    let _jobs = queue
        .deliveries(prefetch, bench.stop.clone())
        .await
        .unwrap();
    let reason = "its engine does not answer".to_owned();
    queue
        .announce(&worker(WorkerState::Suspended { reason }))
        .await;
    let telling = async {
        loop {
            let answer = bench.get("/api/health").await;
            let workers = answer.body["services"]["workers"].clone();
            if workers["status"] == "down" {
                return workers;
            }
        }
    };
    let workers = timeout(Duration::from_secs(60), telling).await.unwrap();
    let detail = workers["detail"].as_str().unwrap();
    assert!(detail.contains("does not answer"), "{detail}");

    queue.announce(&worker(WorkerState::Ready)).await;
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let answer = bench.get("/api/health").await;
    let workers = &answer.body["services"]["workers"];
    assert_eq!(workers["status"], "degraded", "{workers}");
}
