//! Tests of calls from a browser.

use axum::body::Body;
use axum::http::Method;

use crate::access::auth::Switch;

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

#[tokio::test]
async fn a_page_of_another_site_runs_and_reads_nothing() {
    let bench = bench().await;
    bench.worker(Does::Prints("must not run")).await;
    // What browsers send for `fetch(…, {method: "POST", mode: "no-cors", body: new Blob([json])})`, for a
    // form, and for an image; then with what older ones leave out.
    for headers in [
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ][..],
        &[
            ("origin", "http://localhost:3001"),
            ("sec-fetch-site", "same-site"),
        ],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
        ],
        &[("origin", "https://evil.example")],
    ] {
        for (method, path) in [
            (Method::POST, EXECUTE),
            (Method::GET, "/api/rooms/room-1/executions"),
            (Method::GET, "/nowhere"),
        ] {
            let mut request = request(method, path)
                .header("host", "127.0.0.1:5000")
                .header("content-type", "application/json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = send(&bench.api.router, request.body(HELLO.into()).unwrap()).await;
            answer.error(403, "cross_site");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(
        bench.get("/api/rooms/room-1/executions").await.body["executions"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn the_clients_own_pages_run_code() {
    let bench = bench().await;
    bench.worker(Does::Prints("hello\n")).await;
    for (origin, site) in [
        (FRIEND, "same-site"),
        (FRIEND, "cross-site"),
        ("http://127.0.0.1:5000", "same-origin"),
    ] {
        let mut request = post(EXECUTE, HELLO);
        for (name, value) in [
            ("host", "127.0.0.1:5000"),
            ("origin", origin),
            ("sec-fetch-site", site),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        assert_eq!(
            send(&bench.api.router, request).await.status,
            200,
            "{origin} {site}"
        );
    }
}

#[tokio::test]
async fn a_name_that_anybody_can_point_here_is_not_answered_to() {
    async fn status(bench: &Bench, path: &str, host: &str) -> u16 {
        let request = request(Method::GET, path).header("host", host);
        let answer = send(&bench.api.router, request.body(Body::empty()).unwrap()).await;
        if answer.status == 421 {
            assert_eq!(answer.error(421, "unknown_host")["host"], "evil.example");
        }
        answer.status.as_u16()
    }
    const HISTORY: &str = "/api/rooms/room-1/executions";
    const EVIL: &str = "evil.example:5000";
    let open = Bench::new().await;
    assert_eq!(status(&open, HISTORY, EVIL).await, 421);
    assert_eq!(status(&open, "/nowhere", EVIL).await, 421);
    assert_eq!(status(&open, HISTORY, "localhost:5000").await, 200);
    for probe in ["/livez", "/api/health", "/metrics"] {
        assert_eq!(status(&open, probe, EVIL).await, 200, "{probe}");
    }
    let named = Bench::with(|config| config.hosts = "evil.example".parse().unwrap()).await;
    assert_eq!(status(&named, HISTORY, EVIL).await, 200);
    // Such a page has no credential.
    let guarded = Bench::with(|config| config.auth.switch = Some(Switch::On)).await;
    assert_eq!(status(&guarded, HISTORY, EVIL).await, 401);
}
