//! Tests of Judge0's faults: reported in detail, and not retried at once.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;
use warren_config::Env;
use warren_queue::QueueLink;

use super::server::{CREATE, Fault, Judge0};
use super::{bench, bench_with, cat, python};
use crate::config::FallbackConfig;
use crate::tests::bench::{Answer, Bench, EXECUTE, HELLO, post, send};

/// Returns Judge0's message in the details of an answer.
#[track_caller]
fn told(answer: &Answer) -> &str {
    let ways = answer.body["error"]["details"]["ways"].as_array().unwrap();
    let names: Vec<&Value> = ways.iter().map(|way| &way["way"]).collect();
    assert_eq!(names, ["queue", "judge0"]);
    assert_eq!(ways[0]["code"], "no_workers");
    ways[1]["message"].as_str().unwrap()
}

fn judge0_health(report: &Answer) -> (&str, &str) {
    let service = &report.body["services"]["judge0"];
    let detail = service["detail"].as_str();
    (service["status"].as_str().unwrap(), detail.unwrap())
}

#[tokio::test]
async fn a_fault_that_the_next_job_would_have_too_opens_the_breaker() {
    let internal = python(json!({"input": "internal"}));
    let create = |status, body| Fault::Create(status, &[], body);
    let cases = [
        (create(401, Value::Null), HELLO, true, "JUDGE0_API_KEY"),
        (
            create(
                403,
                json!({"message": "You are not subscribed to this API."}),
            ),
            HELLO,
            true,
            "not subscribed",
        ),
        (
            create(429, json!({"message": "You have exceeded the DAILY quota"})),
            HELLO,
            true,
            "DAILY quota",
        ),
        (
            create(503, json!({"error": "queue is full"})),
            HELLO,
            true,
            "queue is full",
        ),
        (create(500, Value::Null), HELLO, false, "answered 500"),
        (Fault::Always(502), HELLO, true, "answered 502"),
        (Fault::Page, HELLO, true, "not Judge0's"),
        (Fault::TokenDoubled, HELLO, false, "number of tokens"),
        (Fault::ReportMissing, HELLO, false, "other submissions"),
        (Fault::ReportNull, HELLO, false, "other submissions"),
        (Fault::BrokenOff, HELLO, false, "not Judge0's"),
        (Fault::Always(200), HELLO, true, "not Judge0's"),
    ];
    let mut cases: Vec<_> = cases
        .map(|(fault, body, refused, said)| (Some(fault), body, refused, said))
        .into();
    cases.push((None, &internal, false, "No space left on device"));
    for (fault, body, refused, said) in cases {
        let judge0 = Judge0::new(cat).await;
        let bench = bench(&judge0).await;
        judge0.fail(fault.clone());
        let answer = bench.post(body).await;
        // The queue's error stands, unless the job may have been run since.
        answer.error(
            503,
            if refused {
                "no_workers"
            } else {
                "judge0_failed"
            },
        );
        assert!(told(&answer).contains(said), "{fault:?}: {}", told(&answer));
        if !refused {
            let id = answer.header("x-job-id").unwrap();
            bench.recorded(id, "failed").await;
        }

        let asked = judge0.seen().len();
        let answer = bench.post(HELLO).await;
        answer.error(503, "no_workers");
        assert!(
            told(&answer).contains("left alone"),
            "{fault:?}: {}",
            told(&answer)
        );
        assert_eq!(judge0.seen().len(), asked, "{fault:?}: not asked again");
        let report = bench.get("/api/health").await;
        assert_eq!(judge0_health(&report).0, "down");
        assert_eq!(bench.get("/readyz").await.status, 503);
    }
}

#[tokio::test]
async fn a_wrong_key_is_reported_before_anything_is_sent() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench_with(&judge0, "guess", |_config| {}).await;
    let answer = bench.post(HELLO).await;
    answer.error(503, "no_workers");
    assert!(told(&answer).contains("401") && told(&answer).contains("JUDGE0_API_KEY"));
    assert!(!answer.body.to_string().contains("guess"));
    assert_eq!(judge0.count(CREATE), 0);
}

#[tokio::test]
async fn after_a_pause_one_job_tries_it_again_and_decides() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    let full = Fault::Create(503, &[], json!({"error": "queue is full"}));
    judge0.fail(Some(full));
    bench.post(HELLO).await.error(503, "no_workers");
    pass(Duration::from_secs(5)).await;
    let report = bench.get("/api/health").await;
    assert_eq!(judge0_health(&report).0, "degraded");
    assert_eq!(
        bench.get("/readyz").await.status,
        200,
        "or nobody would send the job that tries"
    );
    bench.post(HELLO).await.error(503, "no_workers");
    assert_eq!(judge0.count(CREATE), 2);

    // Twice as long.
    judge0.fail(None);
    pass(Duration::from_secs(5)).await;
    assert!(told(&bench.post(HELLO).await).contains("left alone"));
    pass(Duration::from_secs(5)).await;
    // While one tries, no other does.
    judge0.fail(Some(Fault::Jammed));
    let router = bench.api.router.clone();
    let first = tokio::spawn(async move { send(&router, post(EXECUTE, HELLO)).await });
    while judge0.looks().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(told(&bench.post(HELLO).await).contains("trying"));
    // Its caller leaves, so its result is unknown, and the next job tries.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    judge0.fail(None);
    let answered = async {
        while bench.post(HELLO).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), answered).await.unwrap();
    let both = futures_util::future::join(bench.post(HELLO), bench.post(HELLO)).await;
    assert_eq!((both.0.status.as_u16(), both.1.status.as_u16()), (200, 200));
}

/// Lets the runtime's clock jump.
async fn pass(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_pause_that_judge0_asks_for_is_kept() {
    for headers in [
        &[("retry-after", "900")][..],
        &[("x-ratelimit-requests-reset", "900")],
    ] {
        let judge0 = Judge0::new(cat).await;
        let bench = bench(&judge0).await;
        judge0.fail(Some(Fault::Create(429, headers, Value::Null)));
        bench.post(HELLO).await;
        let report = bench.get("/api/health").await;
        let (_, detail) = judge0_health(&report);
        let left = detail.split(' ').find_map(|word| word.parse::<u64>().ok());
        assert!((890..=900).contains(&left.unwrap()), "{detail}");
    }
}

#[tokio::test]
async fn a_fault_of_one_job_leaves_the_breaker_closed() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    let fields = json!([{"language_id": ["language with id 92 is archived"], "stdin": ["is odd"]}]);
    judge0.fail(Some(Fault::Create(422, &[], fields)));
    let answer = bench.post(HELLO).await;
    answer.error(503, "no_workers");
    assert!(told(&answer).contains("language_id: language with id 92 is archived; stdin: is odd"));
    judge0.fail(None);
    assert_eq!(bench.post(HELLO).await.status, 200);
    assert_eq!(
        judge0.count("GET /languages"),
        2,
        "read again: they are not what they were"
    );

    // It has no interpreter for this language, but for others.
    let answer = bench.post(&python(json!({"input": "exec"}))).await;
    answer.error(503, "judge0_failed");
}

#[tokio::test]
async fn an_unreachable_judge0_is_reported_and_not_used_for_a_while() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut env = Env::from([("JUDGE0_URL", url.as_str()), ("EXECUTOR_URL", &url)]);
    let fallback = FallbackConfig::from_env(&mut env);
    env.finish().unwrap();
    let bench = Bench::with(|config| config.fallback = fallback).await;
    let answer = bench.post(HELLO).await;
    let ways = answer.error(503, "no_workers")["ways"].as_array().unwrap();
    let names: Vec<&Value> = ways.iter().map(|way| &way["way"]).collect();
    assert_eq!(names, ["queue", "executor", "judge0"]);
    for way in &ways[1..] {
        let said = way["message"].as_str().unwrap();
        assert!(said.contains("cannot be connected to"), "{said}");
        assert!(!said.contains(&url), "no address of ours is told: {said}");
    }
    let again = bench.post(HELLO).await;
    for way in &again.error(503, "no_workers")["ways"].as_array().unwrap()[1..] {
        assert_eq!(way["code"], "fallback_suspended");
    }
}

#[tokio::test]
async fn without_a_queue_a_working_judge0_is_degraded_and_ready() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    bench.queue.close(Duration::ZERO).await;
    let report = bench.get("/api/health").await;
    assert_eq!(
        (report.status.as_u16(), &report.body["status"]),
        (200, &"degraded".into())
    );
    let (status, detail) = judge0_health(&report);
    assert_eq!(status, "ok");
    assert!(detail.contains("6 languages"), "{detail}");
    assert!(report.body["services"]["judge0"]["latencyMs"].is_number());
    assert_eq!(bench.get("/readyz").await.status, 200);
    assert_eq!(bench.post(HELLO).await.body["engine"], "judge0");
    // The next reports cost it nothing: its requests are counted, and paid for.
    assert_eq!(judge0.count("GET /languages"), 1);
}
