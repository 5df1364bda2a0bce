//! Tests of calls from a browser.

use axum::body::Body;
use axum::http::Method;

use super::bench::{Answer, Bench, Does, EXECUTE, HELLO, post, request, send};

const FRIEND: &str = "http://localhost:3000";

async fn bench() -> Bench {
    Bench::with(|config| config.origins = FRIEND.parse().unwrap()).await
}

async fn preflight(bench: &Bench, origin: &str) -> Answer {
    let request = request(Method::OPTIONS, EXECUTE)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "content-type,authorization",
        );
    send(&bench.api.router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_clients_origin_may_post_json() {
    let answer = preflight(&bench().await, FRIEND).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(FRIEND));
    let methods = answer.header("access-control-allow-methods").unwrap();
    assert!(methods.contains("POST") && methods.contains("GET"));
    let headers = answer.header("access-control-allow-headers").unwrap();
    for allowed in ["content-type", "authorization", "traceparent"] {
        assert!(headers.contains(allowed), "{headers}");
    }
}

#[tokio::test]
async fn another_origin_may_not() {
    let answer = preflight(&bench().await, "https://evil.example").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn answers_and_errors_can_be_read_by_the_client() {
    let bench = bench().await;
    let mut request = post(EXECUTE, HELLO);
    request
        .headers_mut()
        .insert("origin", FRIEND.parse().unwrap());
    let answer = send(&bench.api.router, request).await;
    answer.error(503, "no_workers");
    assert_eq!(answer.header("access-control-allow-origin"), Some(FRIEND));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("retry-after") && exposed.contains("x-job-id"));
}

#[tokio::test]
async fn without_a_client_nothing_is_allowed() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    let answer = preflight(&bench, FRIEND).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let answer = bench.post(HELLO).await;
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}
