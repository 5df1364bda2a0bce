//! Tests that only the verdict of a hidden test case is answered or recorded.

use std::fs;

use axum::body::{Body, to_bytes};
use axum::http::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::bench::{Bench, Does, EXECUTE, post, request, send};
use crate::store::CodeKeeping;

/// A text of hidden cases, which the program prints, too.
const SECRET: &str = "s3cr3t-of-the-judge";

fn body() -> Value {
    json!({
        "language": "python", "code": "print(input())",
        "testCases": [
            {"input": SECRET, "expectedOutput": SECRET, "hidden": true},
            {"input": SECRET, "expectedOutput": format!("{SECRET}, too"), "hidden": true},
        ],
    })
}

/// Checks that a text tells the verdicts of both cases and nothing else of them.
#[track_caller]
fn tells_verdicts_alone(result: &Value) {
    assert!(!result.to_string().contains(SECRET), "{result}");
    assert_eq!(result["status"], "wrong_answer", "{result}");
    assert_eq!(
        (&result["stdout"], &result["exitCode"]),
        (&json!(""), &Value::Null)
    );
    let cases = result["testResults"].as_array().unwrap();
    let verdicts: Vec<_> = cases
        .iter()
        .map(|case| (&case["status"], &case["passed"]))
        .collect();
    assert_eq!(
        verdicts,
        [
            (&json!("completed"), &json!(true)),
            (&json!("wrong_answer"), &json!(false))
        ]
    );
    for case in cases {
        assert_eq!(
            (&case["hidden"], &case["durationMs"]),
            (&json!(true), &json!(20.0))
        );
        for text in ["input", "expectedOutput", "actualOutput", "stderr"] {
            assert_eq!(case[text], "", "{text}");
        }
    }
}

#[tokio::test]
async fn every_way_to_a_result_tells_the_verdict_alone_and_the_database_has_no_more() {
    let bench = Bench::with(|config| config.keeping = CodeKeeping::Whole.into()).await;
    bench.api.record_unclaimed().await.unwrap();
    bench.worker(Does::Prints(SECRET)).await;
    let key = |mut request: axum::http::Request<Body>, name: &'static str, value: &str| {
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let ask = || post(EXECUTE, body().to_string());

    let answer = send(&bench.api.router, key(ask(), "idempotency-key", "k")).await;
    tells_verdicts_alone(&answer.body);
    let id = answer.body["jobId"].as_str().unwrap();
    let recorded = bench.recorded(id, "wrong_answer").await;
    tells_verdicts_alone(&recorded.body["result"]);
    let replayed = send(&bench.api.router, key(ask(), "idempotency-key", "k")).await;
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    tells_verdicts_alone(&replayed.body);

    let taken = send(&bench.api.router, key(ask(), "prefer", "respond-async")).await;
    assert_eq!(taken.status, 202, "{}", taken.body);
    let id = taken.body["jobId"].as_str().unwrap();
    let recorded = bench.recorded(id, "wrong_answer").await;
    tells_verdicts_alone(&recorded.body["result"]);
    let events = format!("/api/executions/{id}/events");
    let events = request(Method::GET, &events).body(Body::empty()).unwrap();
    let events = bench.api.router.clone().oneshot(events).await.unwrap();
    let events = to_bytes(events.into_body(), usize::MAX).await.unwrap();
    let events = String::from_utf8(events.to_vec()).unwrap();
    assert!(
        events.contains("wrong_answer") && !events.contains(SECRET),
        "{events}"
    );

    let batch = json!({"submissions": [body()]}).to_string();
    let batch = send(
        &bench.api.router,
        post("/api/rooms/room-1/execute/batch", batch),
    )
    .await;
    let id = batch.body["jobs"][0]["jobId"].as_str().unwrap();
    let recorded = bench.recorded(id, "wrong_answer").await;
    tells_verdicts_alone(&recorded.body["result"]);

    let list = bench.get("/api/rooms/room-1/executions").await;
    assert!(!list.body.to_string().contains(SECRET), "{}", list.body);
    let mut seen = 0;
    for file in fs::read_dir(bench.directory.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(SECRET));
        seen += usize::from(text.contains("wrong_answer"));
    }
    assert!(seen > 0, "the records are in these files");
}

#[tokio::test]
async fn a_case_that_is_shown_speaks_for_the_whole() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("printed")).await;
    let mut mixed = body();
    mixed["testCases"][1] = json!({"input": "i", "expectedOutput": "other", "hidden": false});
    let answer = bench.post(&mixed.to_string()).await;
    assert!(!answer.body.to_string().contains(SECRET), "{}", answer.body);
    assert_eq!(answer.body["stdout"], "printed");
    let shown = &answer.body["testResults"][1];
    assert_eq!(
        (&shown["input"], &shown["actualOutput"]),
        (&json!("i"), &json!("printed"))
    );
    assert_eq!(shown.get("hidden"), None);
}

#[tokio::test]
async fn hidden_is_true_or_false() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    let mut wrong = body();
    wrong["testCases"][0]["hidden"] = json!("yes");
    let refused = bench.post(&wrong.to_string()).await;
    let details = refused.error(400, "invalid_field");
    assert_eq!(details["field"], "testCases[0].hidden");
}
