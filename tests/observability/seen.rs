//! Follows one job through trace, log and metrics.

use crate::harness::http;
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{machine, warren::Warren};

use super::collector::{Collector, Span};
use super::{exposition, rules};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// The time after which batches are sent at the latest.
const BATCH_MS: &str = "200";
const PROGRAM: &str = r#"{"language":"python","code":"print('SECRET' + input())","input":"SECRET",
    "testCases":[{"input":"SECRET-case","expectedOutput":"SECRET-expected"}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_one_trace_and_dashboards_name_existing_metrics() {
    let _machine = machine::shared().await;
    let collector = Collector::start().await.expect("a collector");
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let variables = [
        ("RABBITMQ_URL", url.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", BATCH_MS),
        // An empty variable counts as unset, also for the library: docker-compose passes variables
        // on like this.
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_HEADERS", ""),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", ""),
        ("OTEL_TRACES_SAMPLER", ""),
        ("OTEL_SERVICE_NAME", ""),
        ("OTEL_RESOURCE_ATTRIBUTES", ""),
        ("OTEL_BSP_MAX_QUEUE_SIZE", ""),
    ];
    let (worker, api) = tokio::join!(
        Warren::start("worker", &variables),
        Warren::start("api", &variables)
    );
    let (worker, api) = (worker.expect("a worker"), api.expect("an API"));
    // The API may have started first, and learns of the worker a moment later.
    let ready = format!("{}/readyz", api.api.as_ref().expect("an API"));
    until(SOON, "an API that knows of the worker", async || {
        http::get(ready.clone())
            .await
            .is_ok_and(|answer| answer.status == 200)
    })
    .await;

    let asked = api.execute_url();
    let answer = tokio::task::spawn_blocking(move || {
        let traceparent = format!("00-{TRACE}-{CALLER}-01");
        let request = http::client()
            .post(&asked)
            .header("traceparent", traceparent);
        let request = request.header("content-type", "application/json");
        let answer = request.body(PROGRAM).send().expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.json::<serde_json::Value>();
        (status, body.expect("a body"))
    });
    let (status, body) = answer.await.expect("no panic");
    assert_eq!(
        (status, &body["status"]),
        (200, &"wrong_answer".into()),
        "{body}"
    );
    let job = body["jobId"].as_str().expect("an id").to_owned();

    until(SOON, "all spans of the job", || async {
        let spans = of_trace(&collector);
        let have = |name| spans.iter().filter(|span| span.name == name).count();
        (
            have("request"),
            have("job"),
            have("sandbox"),
            have("run"),
            have("reply"),
        ) == (1, 1, 1, 2, 1)
    })
    .await;
    let spans = of_trace(&collector);
    let one = |name| spans.iter().find(|span| span.name == name).expect(name);
    let (request, of_job) = (one("request"), one("job"));
    assert_eq!(
        (request.service.as_str(), request.parent.as_str()),
        ("warren-api", CALLER)
    );
    assert_eq!(
        (of_job.service.as_str(), &of_job.parent),
        ("warren-worker", &request.id)
    );
    assert_eq!(of_job.attribute("warren.verdict"), "wrong_answer");
    for span in &spans {
        assert_eq!(span.attribute("job.id"), job, "{span:?}");
        assert!(!format!("{span:?}").contains("SECRET"), "{span:?}");
        if !["request", "job"].contains(&span.name.as_str()) {
            assert_eq!(span.parent, of_job.id, "{span:?}");
        }
    }
    assert_eq!(one("sandbox").attribute("container.id").len(), 12);
    let canaries = collector
        .spans()
        .into_iter()
        .filter(|span| span.trace != TRACE);
    assert_eq!(canaries.filter(|span| span.name == "run").count(), 0);

    // The log lines of both name the trace and the job.
    for (process, message) in [(&api, "answered"), (&worker, "begun")] {
        let log = process.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let line = lines
            .filter(|line: &serde_json::Value| line["message"] == message)
            .find(|line| line["span"]["job.id"] == job.as_str());
        let line = line.unwrap_or_else(|| panic!("{message} of {job} is not in\n{log}"));
        assert_eq!(line["span"]["trace_id"], TRACE, "{line}");
        assert!(!log.contains("SECRET"));
    }

    // Error counters are reported once there was an error.
    let nowhere = format!("{}/nowhere", api.api.as_deref().expect("an API"));
    assert_eq!(http::get(nowhere).await.expect("an answer").status, 404);
    let (from_api, from_worker) = (api.api.clone(), worker.worker.clone());
    let mut told = std::collections::BTreeSet::new();
    for from in [from_api, from_worker].into_iter().flatten() {
        let answer = http::get(format!("{from}/metrics")).await.expect("metrics");
        assert_eq!(answer.status, 200, "{}", answer.raw);
        told.extend(exposition::names(&answer.raw));
    }
    rules::assert_told(&told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_delays_neither_jobs_nor_the_shutdown() {
    let _machine = machine::shared().await;
    // It accepts connections and never answers: the worst that a collector can do.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", BATCH_MS),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ];
    let mut warren = Warren::start("up", &variables).await.expect("Warren");
    for _ in 0..3 {
        let program = http::program("python", "print('hello')");
        let answer = warren.submit(&program).await.expect("an answer");
        assert_eq!((answer.status, answer.text("stdout")), (200, "hello\n"));
    }
    warren.terminate();
    let ended = warren.wait().expect("an end in time");
    assert_eq!(ended.code(), Some(0), "{}", warren.log());
}

fn of_trace(collector: &Collector) -> Vec<Span> {
    let spans = collector.spans().into_iter();
    spans.filter(|span| span.trace == TRACE).collect()
}
