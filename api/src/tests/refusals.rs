//! Tests of every mistake of a caller: code, status and advice.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::stream;
use serde_json::{Value, json};
use warren_languages::PolicyMode;
use warren_protocol::limits::MAX_BODY;

use super::bench::{Bench, Does, EXECUTE, HELLO, post, request, send};

#[tokio::test]
async fn each_wrong_body_has_its_own_error() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("must not run")).await;
    let code = |code: &str| json!({"language": "python", "code": code}).to_string();
    let with = |extra: Value| {
        let mut body = json!({"language": "python", "code": "1"});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body.to_string()
    };
    let cases = vec![json!({"expectedOutput": ""}); 51];
    let wrong: [(String, u16, &str); 18] = [
        ("{".into(), 400, "invalid_json"),
        (String::new(), 400, "invalid_json"),
        ("\u{fe}".into(), 400, "invalid_json"),
        ("[]".into(), 400, "invalid_field"),
        (r#"{"code":"1"}"#.into(), 400, "invalid_field"),
        (with(json!({"timeout": 9})), 400, "unknown_field"),
        (
            r#"{"language":"cobol","code":"1"}"#.into(),
            400,
            "unknown_language",
        ),
        (with(json!({"compare": "fuzzy"})), 400, "unknown_compare"),
        (
            with(json!({"compare": "float", "tolerance": 0})),
            400,
            "invalid_tolerance",
        ),
        (
            with(json!({"compare": "float", "tolerance": "1e-6"})),
            400,
            "invalid_field",
        ),
        (
            with(json!({"compare": "tokens", "tolerance": 0.1})),
            400,
            "stray_tolerance",
        ),
        (with(json!({"stopOnFailure": 1})), 400, "invalid_field"),
        (code(" \n"), 400, "empty_code"),
        (code("a\0b"), 400, "nul_in_code"),
        (code(&"#".repeat(10_241)), 413, "code_too_large"),
        (
            with(json!({"testCases": cases})),
            400,
            "too_many_test_cases",
        ),
        (
            with(json!({"input": "x".repeat(262_145)})),
            413,
            "field_too_large",
        ),
        (code("import os"), 400, "forbidden_code"),
    ];
    for (body, status, code) in wrong {
        bench.post(&body).await.error(status, code);
    }
    assert_eq!(bench.post(&code(&"#".repeat(10_240))).await.status, 200);
}

#[tokio::test]
async fn forbidden_code_is_reported_with_rule_line_and_column() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    let body = json!({"language": "python", "code": "x = 1\nif x: import subprocess"}).to_string();
    let answer = bench.post(&body).await;
    let violation = &answer.error(400, "forbidden_code")["violations"][0];
    assert_eq!(violation["line"], 2);
    assert!(violation["column"].as_u64().unwrap() > 5);
    assert!(violation["rule"].is_string() && violation["message"].is_string());

    // An operator who relies on the container alone switches the patterns off.
    let bench = Bench::with(|config| config.policy = PolicyMode::Off).await;
    bench.worker(Does::Prints("")).await;
    assert_eq!(bench.post(&body).await.status, 200);
}

#[tokio::test]
async fn an_unknown_way_to_compare_is_answered_with_the_known_ones() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("must not run")).await;
    let body = json!({"language": "python", "code": "1", "compare": "fuzzy"}).to_string();
    let answer = bench.post(&body).await;
    let details = answer.error(400, "unknown_compare");
    let known = json!(["trimmed", "exact", "tokens", "float", "unordered"]);
    assert_eq!(details["known"], known);
}

#[tokio::test]
async fn rooms_are_names() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    for room in ["-a", "a%2Fb", "a%20b", "%ff", "..%2f", &"r".repeat(129)] {
        let path = format!("/api/rooms/{room}/execute");
        let answer = send(&bench.api.router, post(&path, HELLO)).await;
        answer.error(400, "invalid_room");
    }
    let path = format!("/api/rooms/{}/execute", "r".repeat(128));
    assert_eq!(
        send(&bench.api.router, post(&path, HELLO)).await.status,
        200
    );
}

#[tokio::test]
async fn bodies_are_json_by_their_content_type() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    for (content_type, taken) in [
        (None, false),
        (Some("application/json; charset=utf-8"), true),
        (Some("application/vnd.room+json"), true),
        (Some("text/plain"), false),
        (Some("application/x-www-form-urlencoded"), false),
    ] {
        let mut request = request(Method::POST, EXECUTE);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = send(&bench.api.router, request.body(Body::from(HELLO)).unwrap()).await;
        if taken {
            assert_eq!(answer.status, 200, "{content_type:?}");
        } else {
            let details = answer.error(415, "unsupported_media_type");
            assert_eq!(details["contentType"].as_str(), content_type);
        }
    }
}

#[tokio::test]
async fn bodies_over_the_cap_are_refused_however_they_are_sent() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    let padded = |len: usize| format!("{HELLO}{}", " ".repeat(len - HELLO.len()));
    let (cap, router) = (MAX_BODY.as_len(), &bench.api.router);
    let chunked = |text: String| {
        let chunks: Vec<_> = text
            .as_bytes()
            .chunks(10_000)
            .map(Bytes::copy_from_slice)
            .collect();
        Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)))
    };

    assert_eq!(send(router, post(EXECUTE, padded(cap))).await.status, 200);
    assert_eq!(
        send(router, post(EXECUTE, chunked(padded(cap))))
            .await
            .status,
        200
    );
    let answer = send(router, post(EXECUTE, padded(cap + 1))).await;
    assert_eq!(answer.error(413, "body_too_large")["limitBytes"], cap);
    let answer = send(router, post(EXECUTE, chunked(padded(cap + 1)))).await;
    answer.error(413, "body_too_large");
    // A declared length is checked before anything is read.
    let mut declared = post(
        EXECUTE,
        Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()),
    );
    declared
        .headers_mut()
        .insert("content-length", "99999999999".parse().unwrap());
    send(router, declared).await.error(413, "body_too_large");
}

#[tokio::test]
async fn unknown_routes_are_answered_in_the_same_shape() {
    let bench = Bench::new().await;
    bench.get("/").await.error(404, "not_found");
    bench.get("/api/rooms/a").await.error(404, "not_found");
    let unknown = send(&bench.api.router, post("/api/room/x/execute", HELLO)).await;
    unknown.error(404, "not_found");

    let answer = bench.get(EXECUTE).await;
    answer.error(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = send(&bench.api.router, post("/api/health", HELLO)).await;
    answer.error(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn unknown_executions_are_answered_with_advice() {
    let bench = Bench::new().await;
    for id in ["x", "0199c1a2b3c47def8123456789abcdef", "%ff", "..%2F"] {
        let answer = bench.get(&format!("/api/executions/{id}")).await;
        answer.error(400, "invalid_job_id");
    }
    let id = "0199c1a2-b3c4-7def-8123-456789abcdef";
    let answer = bench.get(&format!("/api/executions/{id}")).await;
    assert_eq!(answer.error(404, "unknown_execution")["jobId"], id);
}
