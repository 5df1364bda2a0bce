//! Tests of errors that are not the caller's fault: code, status, and retry.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tokio::time::Instant;
use warren_http::ForeignPages;
use warren_protocol::reply::FailureCode;
use warren_queue::{MemoryQueue, QueueLink};
use warren_telemetry::Environment;

use super::bench::{Bench, Does, EXECUTE, HELLO, post, request, send};
use crate::access::cors::Origins;
use crate::router::wrapped;

/// The time limit of an answer that is not waited for, on a busy machine: well within the five
/// seconds of one that is.
const AT_ONCE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn no_workers() {
    let bench = Bench::new().await;
    let asked = Instant::now();
    let answer = bench.post(HELLO).await;
    answer.error(503, "no_workers");
    // A caller who waits is answered after five seconds.
    assert!(asked.elapsed() < AT_ONCE, "answered at once");
    assert!(answer.header("x-job-id").is_some());
}

#[tokio::test]
async fn queue_full() {
    let bench = Bench::on(MemoryQueue::with_capacity(0), |_config| {}).await;
    bench.worker(Does::Nothing).await;
    bench.post(HELLO).await.error(503, "queue_full");
}

#[tokio::test]
async fn queue_unavailable() {
    let bench = Bench::new().await;
    bench.queue.close(Duration::ZERO).await;
    let answer = bench.post(HELLO).await;
    assert_eq!(*answer.error(503, "queue_unavailable"), Value::Null);
}

#[tokio::test]
async fn a_reply_that_can_no_longer_come_is_reported_at_once_with_where_to_look() {
    let bench = Bench::new().await;
    bench.worker(Does::Nothing).await;
    let asked = Instant::now();
    let closing = async {
        bench.job_taken().await;
        bench.queue.close(Duration::ZERO).await;
    };
    let (answer, ()) = tokio::join!(bench.post(HELLO), closing);
    assert!(asked.elapsed() < AT_ONCE);
    let details = answer.error(503, "queue_unavailable");
    let url = details["resultUrl"].as_str().unwrap().to_owned();
    assert!(url.ends_with(details["jobId"].as_str().unwrap()));
    bench
        .recorded(details["jobId"].as_str().unwrap(), "pending")
        .await;
}

#[tokio::test]
async fn a_worker_that_cannot_run_the_job_says_so_and_is_recorded() {
    for (failure, status, code) in [
        (FailureCode::SandboxUnavailable, 503, "sandbox_unavailable"),
        (FailureCode::UnsupportedJob, 503, "unsupported_job"),
        (FailureCode::DeadlinePassed, 504, "timed_out"),
        (FailureCode::WorkerCrashed, 500, "worker_crashed"),
        (FailureCode::Cancelled, 409, "cancelled"),
    ] {
        let bench = Bench::new().await;
        bench.worker(Does::Fails(failure)).await;
        let answer = bench.post(HELLO).await;
        let id = answer.error(status, code)["jobId"].as_str().unwrap();
        assert_eq!(answer.header("x-job-id"), Some(id));
        let recorded = bench.recorded(id, "failed").await;
        assert_eq!(
            recorded.body["error"]["message"],
            answer.body["error"]["message"]
        );
        assert_eq!(recorded.body["result"], Value::Null);
    }
}

#[tokio::test]
async fn too_many_requests_in_flight() {
    let bench = Bench::with(|config| config.max_in_flight = 2).await;
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(400), ""))
        .await;
    let answers = tokio::join!(bench.post(HELLO), bench.post(HELLO), bench.post(HELLO));
    assert_eq!(
        (answers.0.status.as_u16(), answers.1.status.as_u16()),
        (200, 200)
    );
    answers.2.error(503, "overloaded");
    assert_eq!(bench.post(HELLO).await.status, 200, "there is room again");
}

#[tokio::test]
async fn the_history_cannot_be_read() {
    for environment in [Environment::Production, Environment::Development] {
        let bench = Bench::with(|config| config.environment = environment).await;
        bench.worker(Does::Prints("")).await;
        bench.store.close().await;
        let id = "0199c1a2-b3c4-7def-8123-456789abcdef";
        let answer = bench.get(&format!("/api/executions/{id}")).await;
        let details = answer.error(503, "store_unavailable");
        assert_eq!(
            details["causes"].is_array(),
            environment == Environment::Development
        );
        assert_eq!(
            bench.post(HELLO).await.status,
            200,
            "jobs run on without it"
        );
    }
}

#[tokio::test]
async fn a_panic_is_answered() {
    async fn broken() -> &'static str {
        panic!("with words that may quote the caller's code")
    }
    let routes = Router::new().route("/broken", get(broken));
    let router = wrapped(routes, &Origins::default(), ForeignPages::default());
    let get = request(axum::http::Method::GET, "/broken").body(axum::body::Body::empty());
    let answer = send(&router, get.unwrap()).await;
    answer.error(500, "internal_error");
    assert!(!answer.body.to_string().contains("quote"));
}

#[tokio::test]
async fn the_wait_is_bounded_when_no_worker_ever_answers() {
    let bench = Bench::with(|config| config.wait = Duration::from_secs(2)).await;
    bench.worker(Does::Nothing).await;
    let asked = Instant::now();
    let answer = send(&bench.api.router, post(EXECUTE, HELLO)).await;
    let waited = asked.elapsed();
    answer.error(504, "timed_out");
    assert!(
        waited >= Duration::from_secs(2) - warren_http::ANSWER_RESERVE,
        "{waited:?}"
    );
    // Without this configuration it would be five seconds.
    assert!(waited < AT_ONCE, "{waited:?}");
}
