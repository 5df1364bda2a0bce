//! Tests of the main job: a submission is answered and recorded.

use std::num::NonZeroU16;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use warren_protocol::time::EpochMillis;
use warren_queue::{Prefetch, WorkerQueue};

use super::bench::{Bench, Does, EXECUTE, HELLO, request, send};

#[tokio::test]
async fn a_submission_is_answered_with_its_outcome() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("hello\n")).await;
    let before = EpochMillis::now().get();
    let answer = bench.post(HELLO).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["success"], json!(true));
    assert_eq!(answer.body["status"], "completed");
    assert_eq!(answer.body["stdout"], "hello\n");
    assert_eq!(answer.body["stderr"], "");
    assert_eq!(answer.body["exitCode"], 0);
    assert_eq!(answer.body["signal"], Value::Null);
    assert!(answer.body["executionTime"].as_u64().unwrap() >= before);
    assert_eq!(answer.body["durationMs"], 20.0);
    assert!(answer.body["timings"]["runMs"].is_number());
    assert_eq!(answer.header("x-job-id"), answer.body["jobId"].as_str());
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn test_cases_are_answered_one_by_one() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("4\n")).await;
    let body = json!({"language": "py", "code": "print(4)", "testCases": [
        {"input": "2", "expectedOutput": "4\n"}, {"input": "3", "expectedOutput": "9\n"},
    ]});
    let answer = bench.post(&body.to_string()).await;
    assert_eq!(answer.body["success"], json!(false));
    assert_eq!(answer.body["status"], "wrong_answer");
    let results = answer.body["testResults"].as_array().unwrap();
    assert_eq!(results[0]["passed"], json!(true));
    assert_eq!(results[1]["passed"], json!(false));
    assert_eq!(results[1]["input"], "3");
    assert_eq!(results[1]["actualOutput"], "4\n");
}

#[tokio::test]
async fn what_was_answered_can_be_read_again() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("hello\n")).await;
    let answer = bench.post(HELLO).await;
    let id = answer.body["jobId"].as_str().unwrap();
    let recorded = bench.recorded(id, "completed").await;
    assert_eq!(recorded.status, 200);
    assert_eq!(recorded.body["result"], answer.body);
    assert_eq!(recorded.body["success"], json!(true));
    assert_eq!(recorded.body["jobId"], id);
    assert_eq!(recorded.body["roomId"], "room-1");
    assert_eq!(recorded.body["language"], "python");
    assert_eq!(recorded.body["error"], Value::Null);
    assert!(recorded.body["submittedAt"].as_u64() <= recorded.body["recordedAt"].as_u64());
    // The code itself is not recorded; this is its hash.
    let code = "print('hello')";
    assert_eq!(
        recorded.body["codeSha256"],
        crate::store::CodeHash::of(code).as_str()
    );
    assert!(!recorded.body.to_string().contains(code));
}

#[tokio::test]
async fn the_job_carries_what_was_asked_for() {
    let bench = Bench::new().await;
    let queue = bench.queue.sibling();
    let slots = Prefetch(NonZeroU16::MIN);
    let mut jobs = queue.deliveries(slots, bench.stop.clone()).await.unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let before = EpochMillis::now();
    let request = request(Method::POST, EXECUTE)
        .header("content-type", "application/json")
        .header("traceparent", trace)
        .body(Body::from(r#"{"language":"JS","code":"1","input":"in"}"#))
        .unwrap();
    let (router, stop) = (bench.api.router.clone(), bench.stop.clone());
    tokio::spawn(async move { stop.run_until_cancelled(send(&router, request)).await });
    let job = jobs.recv().await.unwrap().into_job().unwrap().job.clone();
    assert_eq!(job.room.as_str(), "room-1");
    assert_eq!(job.submission.language().as_str(), "javascript");
    assert_eq!(job.submission.code(), "1");
    assert_eq!(job.submission.input(), Some("in"));
    assert_eq!(job.limits, warren_protocol::limits::Limits::default());
    assert_eq!(job.traceparent.as_deref(), Some(trace));
    let (given, left) = (
        job.deadline.at().since(before),
        job.deadline.at().since(EpochMillis::now()),
    );
    assert!(
        left < warren_http::MAX_WAIT,
        "the answer must leave within the wait"
    );
    assert!(given.as_millis() > 4_500, "most of the wait is the job's");
}
