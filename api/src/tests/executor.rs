//! Tests of jobs that are sent to a worker directly.
//!
//! A real worker's answers are tested end to end; these tests put other things at its address.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_config::Env;
use warren_http::{Bounds, serve};

use super::bench::{Answer, Bench, HELLO};
use crate::config::FallbackConfig;

type Answers = fn(HeaderMap, Value) -> Response;

/// Starts a server that answers `POST /execute` like that, and an API without workers that uses it.
async fn bench(answers: Answers) -> (Bench, DropGuard) {
    let routes = Router::new()
        .route(
            "/execute",
            post(async move |headers: HeaderMap, Json(body): Json<Value>| answers(headers, body)),
        )
        .route("/readyz", get(async || "ready\n"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(serve(listener, routes, stop.clone(), Bounds::default()));
    let mut env = Env::from([
        ("EXECUTOR_URL", url.as_str()),
        ("WARREN_WORKER_SECRET", "sesame"),
    ]);
    let fallback = FallbackConfig::from_env(&mut env);
    env.finish().unwrap();
    let bench = Bench::with(|config| config.fallback = fallback).await;
    (bench, stop.drop_guard())
}

fn refuses(status: u16, code: &str) -> Response {
    let body =
        json!({"success": false, "error": {"code": code, "message": "No.", "details": null}});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

#[track_caller]
fn told(answer: &Answer) -> (&str, &str) {
    let way = &answer.body["error"]["details"]["ways"][1];
    assert_eq!(way["way"], "executor");
    (
        way["code"].as_str().unwrap(),
        way["message"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn a_lasting_refusal_is_reported_after_the_queues_and_opens_the_breaker() {
    let cases: [(Answers, &str, bool); 7] = [
        (|_, _| refuses(503, "worker_busy"), "worker_busy", false),
        (
            |_, _| refuses(503, "sandbox_unavailable"),
            "sandbox_unavailable",
            false,
        ),
        (
            |_, _| refuses(400, "unknown_language"),
            "unknown_language",
            false,
        ),
        (
            |_, _| refuses(401, "unauthorized"),
            "WARREN_WORKER_SECRET",
            true,
        ),
        (|_, _| refuses(429, "too_many"), "429", true),
        (
            |_, _| StatusCode::NOT_FOUND.into_response(),
            "check the address",
            true,
        ),
        (|_, _| StatusCode::FOUND.into_response(), "redirect", true),
    ];
    for (answers, said, stands) in cases {
        let (bench, _stop) = bench(answers).await;
        let answer = bench.post(HELLO).await;
        answer.error(503, "no_workers");
        let (code, message) = told(&answer);
        assert_eq!(code, "executor_failed");
        assert!(message.contains(said), "{message}");
        let again = bench.post(HELLO).await;
        assert_eq!(told(&again).0 == "fallback_suspended", stands, "{message}");
    }
}

#[tokio::test]
async fn a_job_that_may_have_been_run_is_answered_and_recorded_as_failed() {
    let cases: [(Answers, &str, bool); 4] = [
        (
            |_, _| refuses(500, "worker_crashed"),
            "worker_crashed",
            false,
        ),
        (|_, _| refuses(504, "timed_out"), "timed_out", false),
        (|_, _| "<html>".into_response(), "no worker's result", true),
        (
            |_, _| Json(json!({"success": true})).into_response(),
            "no worker's result",
            true,
        ),
    ];
    for (answers, said, stands) in cases {
        let (bench, _stop) = bench(answers).await;
        let answer = bench.post(HELLO).await;
        answer.error(503, "executor_failed");
        assert!(told(&answer).1.contains(said), "{}", answer.body);
        bench
            .recorded(answer.header("x-job-id").unwrap(), "failed")
            .await;
        let report = bench.get("/api/health").await;
        let status = &report.body["services"]["executor"]["status"];
        assert_eq!(status == "down", stands, "{}", report.body);
        assert_eq!(report.body["status"], "degraded");
    }
}

#[tokio::test]
async fn the_secret_and_the_whole_submission_are_sent() {
    let (bench, _stop) = bench(|headers, body| {
        // The refusal quotes what was sent.
        let sent = format!("{:?} {body}", headers.get("authorization"));
        let message = json!({"error": {"code": "echo", "message": sent}});
        (StatusCode::BAD_REQUEST, Json(message)).into_response()
    })
    .await;
    let body = json!({"language": "python", "code": "print(1)", "input": "in", "compare": "exact",
        "testCases": [{"input": "a", "expectedOutput": "b"}], "stopOnFailure": true});
    let answer = bench.post(&body.to_string()).await;
    let (_, sent) = told(&answer);
    assert!(sent.contains("Bearer sesame"), "{sent}");
    let (_, sent) = sent.split_once(") {").unwrap();
    let mut sent: Value = serde_json::from_str(&format!("{{{sent}")).unwrap();
    assert_eq!(
        sent.as_object_mut().unwrap().remove("tolerance"),
        Some(Value::Null)
    );
    assert_eq!(sent, body);
}
