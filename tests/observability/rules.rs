//! Checks the dashboard and the alert rules of deploy/observability.
//!
//! Some process reports every figure that they use, and docs/OPERATIONS.md explains every alert.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use crate::harness::http;

/// The project's root.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The addresses of the metrics of the tests' broker, as Prometheus scrapes them.
const BROKER: [&str; 2] = [
    "http://127.0.0.1:15692/metrics",
    "http://127.0.0.1:15692/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count",
];

fn file(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the queries of the alert rules and the dashboard.
fn queries() -> Vec<String> {
    let rules = file("deploy/observability/alerts.yml");
    let mut queries: Vec<String> = rules
        .split("expr: ")
        .skip(1)
        .map(|rest| rest.split("labels:").next().unwrap_or_default().to_owned())
        .collect();
    let dashboard = file("deploy/observability/grafana/dashboards/warren.json");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("the dashboard is JSON");
    gather(&dashboard, &mut queries);
    assert!(queries.len() > 30, "{queries:?}");
    queries
}

fn gather(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("expr", Value::String(query)) => queries.push(query.clone()),
                    _ => gather(field, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, queries)),
        _ => {}
    }
}

/// Checks that every metric that a query names is among those reported by API and worker (`told`),
/// or by the broker.
pub async fn assert_told(told: &BTreeSet<String>) {
    let mut told = told.clone();
    for url in BROKER {
        let answer = http::get(url.to_owned()).await.unwrap_or_else(|error| {
            panic!(
                "{url}: {error}; `scripts/provision test` starts a broker that tells its metrics"
            )
        });
        let lines = answer.raw.lines().filter(|line| !line.starts_with('#'));
        let names = lines.filter_map(|line| line.split(['{', ' ']).next());
        told.extend(names.map(str::to_owned));
    }
    let metric = Regex::new(r"\b(?:warren|rabbitmq)_[a-z0-9_]+").expect("a pattern");
    let mut named = BTreeSet::new();
    for query in queries() {
        for name in metric.find_iter(&query) {
            named.insert(name.as_str().to_owned());
            assert!(
                told.contains(name.as_str()),
                "nobody tells {} ({query})",
                name.as_str()
            );
        }
    }
    assert!(named.len() > 25, "{named:?}");
}

#[test]
fn every_alert_is_explained() {
    let rules = file("deploy/observability/alerts.yml");
    let guide = file("docs/OPERATIONS.md");
    let anchors: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|heading| heading.trim().to_lowercase())
        .collect();
    let alert = Regex::new(r"(?m)^ +- alert: (\w+)$").expect("a pattern");
    let alerts: Vec<&str> = alert
        .captures_iter(&rules)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    assert!(alerts.len() >= 12, "{alerts:?}");
    for alert in &alerts {
        let anchor = alert.to_lowercase();
        assert!(
            anchors.contains(&anchor),
            "docs/OPERATIONS.md has no heading {alert}"
        );
        let link = format!("docs/OPERATIONS.md#{anchor}\n");
        assert!(rules.contains(&link), "{alert} has no runbook {link}");
    }
    for kept in ["summary: ", "severity: ", "runbook_url: "] {
        assert_eq!(
            rules.matches(kept).count(),
            alerts.len(),
            "each has its {kept}"
        );
    }
}

#[test]
fn prometheus_accepts_the_rules_and_the_configuration() {
    let directory = Path::new(ROOT).join("deploy/observability");
    promtool(&["check", "rules", "alerts.yml"], &directory);
    promtool(
        &["check", "config", "--syntax-only", "prometheus.yml"],
        &directory,
    );
    let tests = Path::new(ROOT).join("tests/observability");
    promtool(&["test", "rules", "alerts_test.yml"], &tests);
}

fn promtool(arguments: &[&str], directory: &Path) {
    let output = Command::new(promtool_path())
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("promtool: {error}; `scripts/provision test` provides it"));
    assert!(
        output.status.success(),
        "promtool {arguments:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns where `scripts/provision test` installs it, unless the path has one.
fn promtool_path() -> PathBuf {
    let kept = cache().join("promtool/promtool");
    if kept.exists() {
        kept
    } else {
        "promtool".into()
    }
}

/// Returns where `scripts/provision` keeps its downloads.
pub fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    cache.or_else(home).unwrap_or_default().join("warren")
}
