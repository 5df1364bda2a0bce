//! Tests of `Idempotency-Key`: run once, answered alike.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use warren_languages::Languages;
use warren_protocol::ids::{InstanceId, JobId};
use warren_protocol::reply::FailureCode;
use warren_protocol::time::EpochMillis;
use warren_queue::ApiQueue;

use super::bench::{Answer, Bench, Does, EXECUTE, HELLO, post, send};
use crate::access::caller::Caller;
use crate::config::DATABASE_FILE;
use crate::execution::idempotency::Keyed;
use crate::store::{Claim, Claimed, SqliteStore};
use crate::{Api, Config};

async fn keyed(api: &Api, key: &str, body: &str) -> Answer {
    let mut request = post(EXECUTE, body.to_owned());
    let headers = request.headers_mut();
    headers.insert("idempotency-key", key.parse().unwrap());
    send(&api.router, request).await
}

fn is_replay(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_at_two_instances_are_one_execution() {
    let bench = Bench::new().await;
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(100), "once\n"))
        .await;
    let path = bench.directory.path().join(DATABASE_FILE);
    let other = Api::new(
        Config::from_env(&mut warren_config::Env::default()),
        Arc::new(bench.queue.sibling()) as Arc<dyn ApiQueue>,
        "in-process queue",
        Arc::new(SqliteStore::open(&path).await.unwrap()),
        Languages::embedded(),
        InstanceId::new("api"),
    )
    .unwrap();
    let apis = [&bench.api, &other];
    let answers = join_all((0..100).map(|n| keyed(apis[n % 2], "k", HELLO))).await;
    assert_eq!(answers[0].status, 200, "{}", answers[0].body);
    for answer in &answers {
        assert_eq!(answer.status, answers[0].status);
        assert_eq!(answer.body, answers[0].body);
        assert_eq!(answer.header("x-job-id"), answers[0].header("x-job-id"));
    }
    assert_eq!(
        answers.iter().filter(|answer| !is_replay(answer)).count(),
        1
    );
    bench.job_taken().await;
    let again = tokio::time::timeout(Duration::from_millis(50), bench.job_taken());
    assert!(again.await.is_err(), "it ran twice");
}

#[tokio::test]
async fn another_body_under_a_key_is_refused_and_another_key_or_room_is_not() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("x\n")).await;
    let first = keyed(&bench.api, "k", HELLO).await;
    let again = keyed(&bench.api, "k", HELLO).await;
    assert_eq!(again.body, first.body);
    assert!(is_replay(&again) && !is_replay(&first));
    let reused = keyed(&bench.api, "k", &HELLO.replace("hello", "bye")).await;
    reused.error(422, "idempotency_key_reused");
    let other = keyed(&bench.api, "l", HELLO).await;
    assert_ne!(other.body["jobId"], first.body["jobId"]);
    let mut elsewhere = post("/api/rooms/room-2/execute", HELLO);
    let headers = elsewhere.headers_mut();
    headers.insert("idempotency-key", "k".parse().unwrap());
    let elsewhere = send(&bench.api.router, elsewhere).await;
    assert_ne!(elsewhere.body["jobId"], first.body["jobId"]);
    let bad = keyed(&bench.api, "a key", HELLO).await;
    bad.error(400, "invalid_idempotency_key");
}

#[tokio::test]
async fn a_refused_request_gives_its_key_back() {
    let bench = Bench::new().await;
    let refused = keyed(&bench.api, "k", HELLO).await;
    refused.error(503, "no_workers");
    bench.worker(Does::Prints("x\n")).await;
    let answer = keyed(&bench.api, "k", HELLO).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(!is_replay(&answer));
}

#[tokio::test]
async fn a_failure_that_another_try_may_mend_is_tried_again_and_a_crash_is_not() {
    for (code, runs_again) in [
        (FailureCode::SandboxUnavailable, true),
        (FailureCode::WorkerCrashed, false),
    ] {
        let bench = Bench::new().await;
        bench.worker(Does::Fails(code)).await;
        let first = keyed(&bench.api, "k", HELLO).await;
        assert!(first.status.is_server_error());
        bench.job_taken().await;
        let again = keyed(&bench.api, "k", HELLO).await;
        assert_eq!(is_replay(&again), !runs_again, "{code:?}");
        if runs_again {
            bench.job_taken().await;
            assert_ne!(again.header("x-job-id"), first.header("x-job-id"));
        } else {
            assert_eq!(again.body, first.body);
        }
    }
}

#[tokio::test]
async fn a_late_result_is_the_answer_of_the_next_request() {
    let bench = Bench::with(|config| config.wait = Duration::from_millis(500)).await;
    bench.api.record_unclaimed().await.unwrap();
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(700), "late\n"))
        .await;
    let first = keyed(&bench.api, "k", HELLO).await;
    first.error(504, "timed_out");
    let id = first.header("x-job-id").unwrap();
    bench.recorded(id, "completed").await;
    let again = keyed(&bench.api, "k", HELLO).await;
    assert_eq!(again.body["stdout"], "late\n");
    assert_eq!(again.header("x-job-id"), Some(id));
}

#[tokio::test]
async fn a_claim_whose_api_died_is_taken_over_once_its_job_is_long_due() {
    let bench = Bench::with(|config| config.wait = Duration::from_millis(500)).await;
    bench.worker(Does::Prints("x\n")).await;
    for (key, overdue, runs) in [("fresh", 50, false), ("old", 70, true)] {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("idempotency-key", key.parse().unwrap());
        let room = "room-1".parse().unwrap();
        let body = HELLO.as_bytes();
        let keyed_as = Keyed::of(&headers, &Caller::Anonymous, &room, body).unwrap();
        let keyed_as = keyed_as.unwrap();
        let now = EpochMillis::now();
        let dead = Claim {
            key: keyed_as.key,
            fingerprint: keyed_as.fingerprint,
            job: JobId::new(),
            due_at: EpochMillis::from_millis(now.get() - overdue * 1000),
            lapses_at: now + Duration::from_secs(600),
        };
        assert_eq!(bench.store.claim(&dead, None).await.unwrap(), Claimed::Won);
        let answer = keyed(&bench.api, key, HELLO).await;
        assert_eq!(answer.status, if runs { 200 } else { 504 });
        assert_eq!(is_replay(&answer), !runs);
    }
}

#[tokio::test]
async fn without_its_store_only_requests_with_a_key_are_refused() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("x\n")).await;
    bench.store.close().await;
    let refused = keyed(&bench.api, "k", HELLO).await;
    refused.error(503, "store_unavailable");
    assert_eq!(bench.post(HELLO).await.status, 200);
}
