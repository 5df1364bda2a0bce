//! Checks that the service conforms to its OpenAPI description.
//!
//! Schemathesis sends whatever the description allows and forbids, and must find nothing.
//! `WARREN_SOAK_SCHEMATHESIS` is the least number of requests, `WARREN_SCHEMATHESIS_SEED` the first
//! seed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{machine, warren::Warren};

/// Requests for each operation, beside those at the bounds of the description.
const EXAMPLES: u32 = 15;
/// The same, of each round of a soak.
const EXAMPLES_OF_SOAK: u32 = 420;
const SEED: u32 = 5;
/// The longest that all of it may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let soak: Option<u32> = number("WARREN_SOAK_SCHEMATHESIS");
    let examples = soak.map_or(EXAMPLES, |_least| EXAMPLES_OF_SOAK);
    let first_seed = number("WARREN_SCHEMATHESIS_SEED").unwrap_or(SEED);
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let api = warren.api.clone().expect("an API");

    let started = Instant::now();
    let mut made = 0;
    for seed in first_seed.. {
        made += round(
            &api,
            seed,
            examples,
            LIMIT.saturating_sub(started.elapsed()),
        )
        .await;
        eprintln!(
            "schemathesis: {made} requests up to seed {seed}, {} s",
            started.elapsed().as_secs()
        );
        if made >= soak.unwrap_or(1) {
            break;
        }
    }
}

/// Runs schemathesis once, which must find nothing. Returns how many requests it made.
async fn round(api: &str, seed: u32, examples: u32, within: Duration) -> u32 {
    let directory = tempfile::tempdir().expect("a directory for its notes");
    let config = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/end_to_end/running/schemathesis.toml"
    );
    let mut command = Command::new("timeout");
    command
        .args([&within.as_secs().max(1).to_string(), "python3", "-c"])
        .arg("from schemathesis.cli import schemathesis; schemathesis()")
        .args(["--config-file", config])
        .args(["run", &format!("{api}/api/openapi.json")])
        .args(["--checks", "all", "--mode", "all", "--continue-on-failure"])
        // Sequences of requests cost minutes, and nearly all of them are as one request alone.
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &examples.to_string()])
        .args(["--seed", &seed.to_string()])
        .current_dir(directory.path())
        .env("PYTHONPATH", installed())
        .env("NO_PROXY", "127.0.0.1")
        .env("COLUMNS", "160");
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = running.await.expect("no panic");
    let output = output.expect("timeout and python3 are there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "seed {seed}, {} (124 is: not done in time): {said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let made = said
        .lines()
        .find_map(|line| line.trim().split_once(" generated")?.0.parse().ok());
    made.unwrap_or_else(|| panic!("schemathesis does not say how much it did: {said}"))
}

/// Returns where `scripts/provision test` installs it.
fn installed() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty());
    let cache = cache.map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("HOME")).join(".cache"),
        PathBuf::from,
    );
    let directory = cache.join("warren/schemathesis");
    assert!(
        directory.join("installed").is_file(),
        "schemathesis is not in {}; run scripts/provision test",
        directory.display()
    );
    directory
}

fn number(variable: &str) -> Option<u32> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a whole number"))
}
