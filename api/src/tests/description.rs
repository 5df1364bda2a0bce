//! Tests that the description and the service agree.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use warren_protocol::limits::{MAX_CODE, MAX_EXPECTED_OUTPUT, MAX_INPUT, MAX_TEST_CASES};

use super::bench::{Bench, Does, post, request, send};

async fn described(bench: &Bench) -> Value {
    let answer = bench.get("/api/openapi.json").await;
    assert_eq!(answer.status, 200);
    answer.body
}

#[test]
fn no_route_is_without_a_description() {
    // `routes!` takes path and method from the description; a bare `.route` would have none.
    let router = include_str!("../router.rs");
    assert!(router.contains(".routes(routes!("));
    assert!(
        !router.contains(".route(\""),
        "add routes with .routes(routes!(handler)), and describe the handler with #[utoipa::path]"
    );
}

#[tokio::test]
async fn every_described_operation_is_served() {
    let bench = Bench::new().await;
    let described = described(&bench).await;
    assert_eq!(described["openapi"], "3.1.0");
    let mut seen = 0;
    for (path, operations) in described["paths"].as_object().unwrap() {
        let there = path
            .replace("{roomId}", "demo")
            .replace("{id}", "01a2093c-e6d7-7648-82fb-e7d282b7c47a");
        for (method, operation) in operations.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let asked = request(method, &there).body(Body::empty()).unwrap();
            let status = send(&bench.api.router, asked)
                .await
                .status
                .as_u16()
                .to_string();
            let documented = operation["responses"].as_object().unwrap();
            assert!(documented.contains_key(&status), "{path}: {status}");
            seen += 1;
        }
    }
    assert!(seen >= 7, "{seen}");
}

#[tokio::test]
async fn every_example_runs() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("42\n")).await;
    let described = described(&bench).await;
    let mut seen = 0;
    for (path, operations) in described["paths"].as_object().unwrap() {
        let content = &operations["post"]["requestBody"]["content"]["application/json"];
        let examples = content["examples"].as_object();
        for (name, example) in examples.into_iter().flatten() {
            let path = path.replace("{roomId}", "demo");
            let body = example["value"].to_string();
            let answer = send(&bench.api.router, post(&path, body)).await;
            // A batch is many jobs, and none of them is waited for.
            let is_one = !path.ends_with("/batch");
            let expected = if is_one { 200 } else { 202 };
            assert_eq!(answer.status, expected, "{path} {name}: {}", answer.body);
            assert_eq!(answer.header("x-job-id").is_some(), is_one, "{path} {name}");
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[tokio::test]
async fn described_limits_are_those_that_hold() {
    let bench = Bench::new().await;
    let schemas = &described(&bench).await["components"]["schemas"];
    let request = &schemas["ExecuteRequest"]["properties"];
    assert_eq!(request["code"]["maxLength"], MAX_CODE.get());
    assert_eq!(request["input"]["maxLength"], MAX_INPUT.get());
    assert_eq!(request["testCases"]["maxItems"], MAX_TEST_CASES);
    let case = &schemas["TestCaseRequest"]["properties"];
    assert_eq!(case["input"]["maxLength"], MAX_INPUT.get());
    assert_eq!(
        case["expectedOutput"]["maxLength"],
        MAX_EXPECTED_OUTPUT.get()
    );
    assert_eq!(
        schemas["ErrorAnswer"]["properties"]["success"]["const"],
        json!(false)
    );
}

#[tokio::test]
async fn the_page_needs_nothing_and_runs_nothing() {
    let bench = Bench::new().await;
    let asked = request(Method::GET, "/api/docs")
        .body(Body::empty())
        .unwrap();
    let response = tower::ServiceExt::oneshot(bench.api.router.clone(), asked)
        .await
        .unwrap();
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    let page = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    let page = str::from_utf8(&page).unwrap();
    for path in described(&bench).await["paths"].as_object().unwrap().keys() {
        assert!(page.contains(path), "{path}");
    }
    for outside in [
        "<script", "<link", "<img", "http://", "https://", "@import", "url(",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
}
