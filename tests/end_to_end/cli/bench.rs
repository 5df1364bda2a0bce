//! Checks that `warren bench` measures and reports everything.
//!
//! The figures themselves are not checked.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::rabbitmq::Vhost;
use crate::harness::{images, machine, warren::Warren};

const JOBS: [&str; 3] = ["hello", "cpu", "tenCases"];
const LANGUAGES: [&str; 2] = ["python", "javascript"];
const TIMES: [&str; 6] = ["meanMs", "minMs", "p50Ms", "p95Ms", "p99Ms", "maxMs"];

async fn bench(directory: &TempDir, rabbitmq: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .arg("bench")
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .envs(
            ["PATH", "HOME", "DOCKER_HOST"]
                .into_iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .envs(images::variables())
        .env("RABBITMQ_URL", rabbitmq)
        .stdin(Stdio::null());
    let running =
        tokio::task::spawn_blocking(move || command.output().expect("warren bench starts"));
    running.await.expect("no panic")
}

/// Returns the element of `list` that has all these fields.
fn find<'a>(list: &'a Value, fields: &[(&str, &str)]) -> &'a Value {
    let has = |item: &&Value| fields.iter().all(|(name, value)| item[*name] == *value);
    let list = list.as_array().expect("a list");
    list.iter()
        .find(has)
        .unwrap_or_else(|| panic!("{fields:?} in {list:#?}"))
}

fn assert_times(summary: &Value, samples: u64) {
    assert_eq!(summary["samples"], samples, "{summary:#}");
    for time in TIMES {
        assert!(
            summary[time].as_f64().is_some_and(|ms| ms > 0.0),
            "{time} in {summary:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_is_measured_on_every_system() {
    // It loads the machine, and its longer jobs need a good part of the contract's times.
    let _machine = machine::alone().await;
    let (directory, vhost) = (TempDir::new().expect("a directory"), Vhost::fresh().await);
    let arguments = [
        "--rounds",
        "2",
        "--gap-ms",
        "0",
        "--no-sustained",
        "--json",
        "new/bench.json",
    ];
    let output = bench(&directory, &vhost.amqp_url(), &arguments).await;
    let (text, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let json = std::fs::read(directory.path().join("new/bench.json"))
        .unwrap_or_else(|error| panic!("the figures were not written: {error}: {said}"));
    let report: Value = serde_json::from_slice(&json).expect("they are JSON");
    let root = rustix::process::geteuid().is_root();
    let systems: &[&str] = if root {
        &["warren", "dockerRun", "bareInterpreter"]
    } else {
        &["warren", "dockerRun"]
    };
    let cells = &report["oneAtATime"];
    assert_eq!(
        cells.as_array().map(Vec::len),
        Some(JOBS.len() * LANGUAGES.len() * systems.len())
    );
    let mut errors = 0;
    for job in JOBS {
        for language in LANGUAGES {
            for system in systems {
                let cell = find(
                    cells,
                    &[
                        ("workload", job),
                        ("language", language),
                        ("system", system),
                    ],
                );
                let jobs = if job == "hello" { 2 } else { 1 };
                let failed = cell["errors"].as_u64().expect("a number");
                // Other load on the machine may make Warren's longer jobs miss their limits.
                if *system == "warren" && job != "hello" && failed == jobs {
                    assert_eq!(cell["samples"], 0, "{cell:#}");
                    errors += failed;
                    continue;
                }
                assert_eq!(failed, 0, "{cell:#} {}", report["troubles"]);
                assert_times(cell, jobs);
                assert!(cell["cpuMsPerJob"].is_number(), "{cell:#}");
                assert_eq!(cell["phases"].is_object(), *system == "warren", "{cell:#}");
                if let Some(phases) = cell["phases"].as_object() {
                    assert_eq!(phases.len(), 4);
                    let sum: f64 = phases.values().filter_map(Value::as_f64).sum();
                    let whole = cell["meanMs"].as_f64().expect("a mean");
                    assert!((sum - whole).abs() < 0.01, "{cell:#}");
                }
            }
        }
    }
    let status = if errors == 0 { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(status), "{said}\n{text}");
    for trouble in report["troubles"].as_array().expect("a list") {
        let trouble = trouble.as_str().unwrap_or_default();
        let late = ["TimeLimitExceeded", "NotRun", "504 Gateway Timeout"];
        assert!(
            late.iter().any(|reason| trouble.contains(reason)),
            "{trouble}"
        );
    }
    for queue in ["quorum", "classic"] {
        let line = find(&report["broker"], &[("queue", queue)]);
        for part in ["delivery", "confirm", "roundTrip"] {
            assert_times(&line[part], 10);
        }
    }
    for field in [
        "version",
        "build",
        "finishedAt",
        "machine",
        "queue",
        "plan",
        "dockerRun",
        "idleCpuMsPerSecond",
    ] {
        assert!(!report[field].is_null(), "{field} in {report:#}");
    }
    assert_eq!(report["sustained"], Value::Array(vec![]));

    for part in [
        "### One job at a time",
        "### Where Warren's time goes",
        "### The broker alone",
        "docker run",
        "p50 ÷ Warren's",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(
        text.contains("bare interpreter was left out"),
        !root,
        "{text}"
    );
    let left = vhost.queues().await.expect("queues");
    let own = |queue: &&Value| {
        queue["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("warren.bench"))
    };
    assert_eq!(left.iter().filter(own).count(), 0, "{left:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_has_other_workers_is_left_alone() {
    let _machine = machine::shared().await;
    let (directory, vhost) = (TempDir::new().expect("a directory"), Vhost::fresh().await);
    let url = vhost.amqp_url();
    let worker = Warren::start("worker", &[("RABBITMQ_URL", &url)])
        .await
        .expect("a worker starts");
    let output = bench(&directory, &url, &["--quick"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("workers already take jobs from this broker"),
        "{said}"
    );
    assert!(!said.contains("guest:guest"), "{said}");
    drop(worker);
}
