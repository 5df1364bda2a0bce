//! Tests of the log of a request, and of secrets that stay out of it.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;
use std::time::Duration;

use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use warren_queue::QueueLink;

use super::bench::{Bench, Does, EXECUTE, post, send};
use crate::access::auth::{ApiKey, AuthConfig};

thread_local! {
    // A test, its requests and its tasks share one thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct ToThisThread;

impl Write for ToThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of this thread from now on, at every level.
struct Log;

impl Log {
    fn capture() -> Self {
        // One subscriber for all: which spans are enabled is remembered across threads, so one
        // for each test would come and go under the other tests' feet.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_max_level(LevelFilter::TRACE)
                .with_writer(|| ToThisThread)
                .init();
        });
        LOG.with_borrow_mut(Vec::clear);
        Self
    }

    fn text(&self) -> String {
        LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap())
    }

    /// Returns the entry with this message.
    fn entry(&self, message: &str) -> Value {
        let text = self.text();
        let mut entries = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = entries.find(|entry| entry["message"] == message);
        found.unwrap_or_else(|| panic!("{message:?} is not in the log:\n{text}"))
    }
}

fn secrets() -> String {
    json!({
        "language": "python", "code": "print('SECRET-code')", "input": "SECRET-input",
        "testCases": [{"input": "SECRET-case", "expectedOutput": "SECRET-expected"}],
    })
    .to_string()
}

#[tokio::test]
async fn a_request_is_one_line_with_its_job_and_nothing_of_the_program() {
    let log = Log::capture();
    let bench = Bench::with(|config| config.wait = Duration::from_millis(500)).await;
    bench.worker(Does::Prints("SECRET-output")).await;
    let answer = bench.post(&secrets()).await;
    assert_eq!(answer.status, 200);
    bench
        .recorded(answer.body["jobId"].as_str().unwrap(), "wrong_answer")
        .await;

    let line = log.entry("answered");
    assert_eq!(
        (&line["status"], &line["level"]),
        (&json!(200), &json!("INFO"))
    );
    assert!(line["latency_ms"].is_number());
    let span = &line["span"];
    assert_eq!(span["method"], "POST");
    assert_eq!(span["route"], "/api/rooms/{roomId}/execute");
    assert_eq!(span["job.id"], answer.body["jobId"]);
    assert!(!log.text().contains("SECRET"), "{}", log.text());
}

#[tokio::test]
async fn what_is_refused_is_not_quoted_either() {
    let log = Log::capture();
    let bench = Bench::new().await;
    for body in [
        r#"{"language":"python","code":"import os # SECRET"}"#,
        r#"{"language":"SECRET","code":"1"}"#,
        r#"{"SECRET":1}"#,
        "SECRET",
    ] {
        assert_eq!(bench.post(body).await.status, 400);
    }
    let bad_room = send(&bench.api.router, post("/api/rooms/-SECRET/execute", "{}")).await;
    assert_eq!(bad_room.status, 400);
    assert_eq!(log.entry("answered")["status"], 400);
    assert!(!log.text().contains("SECRET"), "{}", log.text());
}

#[tokio::test]
async fn who_calls_is_not_quoted_either() {
    let log = Log::capture();
    let key = ApiKey::generate().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let stanza = format!("[[key]]\nname = \"a\"\nsha256 = \"{}\"\n", key.hash());
    std::fs::write(file.path(), stanza).unwrap();
    let auth = AuthConfig {
        keys_file: Some(file.path().to_owned()),
        ..AuthConfig::default()
    };
    let bench = Bench::with(|config| config.auth = auth).await;
    bench.worker(Does::Prints("")).await;
    for (credential, status) in [(key.reveal(), 200), ("wk_SECRET", 401), ("SECRET.a.b", 401)] {
        let mut request = post(EXECUTE, secrets());
        let value = format!("Bearer {credential}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        assert_eq!(send(&bench.api.router, request).await.status, status);
    }
    let text = log.text();
    assert!(
        !text.contains("SECRET") && !text.contains(key.reveal()),
        "{text}"
    );
}

#[tokio::test]
async fn probes_are_quiet_while_all_is_well() {
    let log = Log::capture();
    let bench = Bench::new().await;
    bench.get("/api/health").await;
    assert_eq!(log.entry("answered")["level"], "DEBUG");

    let log = Log::capture();
    let bench = Bench::new().await;
    bench.queue.close(Duration::ZERO).await;
    bench.get("/api/health").await;
    assert_eq!(log.entry("answered")["level"], "INFO");
}

#[tokio::test]
async fn a_caller_who_leaves_is_logged() {
    let log = Log::capture();
    let bench = Bench::new().await;
    bench.worker(Does::Nothing).await;
    let router = bench.api.router.clone();
    tokio::select! {
        _answer = send(&router, post(EXECUTE, secrets())) => panic!("nobody answers"),
        () = bench.job_taken() => {}
    }
    let line = log.entry("the caller disconnected before the answer");
    assert!(line["span"]["job.id"].is_string(), "{line}");
}
