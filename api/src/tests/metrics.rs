//! Tests of `GET /metrics`.

use axum::body::{Body, to_bytes};
use axum::http::Method;
use tower::ServiceExt;
use warren_protocol::reply::FailureCode;

use super::bench::{Bench, Does, HELLO, post, request, send};

impl Bench {
    /// Returns all metrics as text.
    pub(super) async fn exposition(&self) -> String {
        let asked = request(Method::GET, "/metrics")
            .body(Body::empty())
            .unwrap();
        let answer = self.api.router.clone().oneshot(asked).await.unwrap();
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}

/// Returns the value of this sample.
#[track_caller]
fn value(exposition: &str, sample: &str) -> f64 {
    let found = exposition
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let found = found.unwrap_or_else(|| panic!("{sample} is not in\n{exposition}"));
    found.parse().unwrap()
}

#[tokio::test]
async fn jobs_and_requests_are_counted_by_outcome() {
    let bench = Bench::with(|config| config.max_in_flight = 7).await;
    bench.worker(Does::Prints("hello\n")).await;
    let answer = bench.post(HELLO).await;
    let id = answer.body["jobId"].as_str().unwrap().to_owned();
    bench.recorded(&id, "completed").await;
    assert_eq!(bench.post("{").await.status, 400);
    // An execution can be read a moment before its writing is counted.
    let mut told = bench.exposition().await;
    while value(&told, "warren_api_store_write_seconds_count") < 1.0 {
        tokio::task::yield_now().await;
        told = bench.exposition().await;
    }
    for (sample, expected) in [
        (
            r#"warren_api_jobs_total{language="python",verdict="completed",told="caller"}"#,
            1.0,
        ),
        (
            r#"warren_api_job_stage_seconds_count{stage="queue",language="python",told="caller"}"#,
            1.0,
        ),
        (
            r#"warren_api_requests_total{method="POST",route="/api/rooms/{roomId}/execute",status="2xx"}"#,
            1.0,
        ),
        (
            r#"warren_api_requests_total{method="POST",route="/api/rooms/{roomId}/execute",status="4xx"}"#,
            1.0,
        ),
        (
            r#"warren_api_request_duration_seconds_count{route="/api/rooms/{roomId}/execute"}"#,
            2.0,
        ),
        (r#"warren_api_errors_total{code="invalid_json"}"#, 1.0),
        ("warren_api_in_flight", 0.0),
        ("warren_api_in_flight_max", 7.0),
        ("warren_api_store_write_seconds_count", 1.0),
        ("warren_api_store_waiting", 0.0),
        ("warren_api_store_lost_total", 0.0),
        (r#"warren_api_queue_waiting{class="interactive"}"#, 0.0),
        ("warren_api_queue_consumers", 1.0),
        (r#"warren_api_service_state{service="sqlite"}"#, 0.0),
    ] {
        assert_eq!(value(&told, sample), expected, "{sample}");
    }
    assert!(told.ends_with("# EOF\n"), "it ends as OpenMetrics does");
}

#[tokio::test]
async fn a_failure_of_ours_is_counted_with_its_code() {
    let bench = Bench::new().await;
    bench
        .worker(Does::Fails(FailureCode::SandboxUnavailable))
        .await;
    assert_eq!(bench.post(HELLO).await.status, 503);
    let told = bench.exposition().await;
    let failed = r#"warren_api_jobs_total{language="python",verdict="failed",told="caller"}"#;
    assert_eq!(value(&told, failed), 1.0);
    let code = r#"warren_api_errors_total{code="sandbox_unavailable"}"#;
    assert_eq!(value(&told, code), 1.0);
}

#[tokio::test]
async fn callers_cannot_add_labels() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("hello\n")).await;
    let ask = async |n: u32| {
        let execute = format!("/api/rooms/room-{n}/execute");
        assert_eq!(
            send(&bench.api.router, post(&execute, HELLO)).await.status,
            200
        );
        bench.get(&format!("/api/rooms/-bad-{n}/execute")).await;
        bench.get(&format!("/nowhere/{n}")).await;
        let unknown = format!("/api/executions/0192f0c1-2345-7000-8000-00000000000{n}");
        bench.get(&unknown).await;
        let method = Method::from_bytes(format!("METHOD{n}").as_bytes()).unwrap();
        let odd = request(method, "/api/health").body(Body::empty()).unwrap();
        send(&bench.api.router, odd).await;
    };
    // As often as it takes to have seen everything that has a label.
    let samples = |told: &str| told.lines().filter(|line| !line.starts_with('#')).count();
    bench.exposition().await;
    ask(0).await;
    let before = bench.exposition().await;
    for n in 1..4 {
        ask(n).await;
    }
    let after = bench.exposition().await;
    assert_eq!(samples(&before), samples(&after), "{before}\n{after}");
    for theirs in ["room-", "bad", "nowhere", "0192f0c1", "METHOD"] {
        assert!(!after.contains(theirs), "{theirs} is in\n{after}");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_is_counted() {
    let bench = Bench::new().await;
    bench.worker(Does::Nothing).await;
    let router = bench.api.router.clone();
    tokio::select! {
        _answer = send(&router, post(super::bench::EXECUTE, HELLO)) => panic!("nobody answers"),
        () = bench.job_taken() => {}
    }
    let told = bench.exposition().await;
    let gone = r#"warren_api_requests_total{method="POST",route="/api/rooms/{roomId}/execute",status="gone"}"#;
    assert_eq!(value(&told, gone), 1.0);
}
