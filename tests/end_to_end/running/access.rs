//! Access as an operator sets it up: refused starts, API keys, the worker's secret.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::{http, machine, warren::Warren};

fn warren(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command.args(arguments).current_dir(directory.path());
    command.env_clear().envs(variables.iter().copied());
    command.output().expect("warren starts")
}

#[test]
fn a_public_address_is_refused_until_access_is_configured() {
    const BROKER: (&str, &str) = ("RABBITMQ_URL", "amqp://127.0.0.1:1/%2f");
    const API: (&str, &str) = ("WARREN_API_ADDR", "0.0.0.0:0");
    const WORKER: (&str, &str) = ("WARREN_WORKER_ADDR", "0.0.0.0:0");
    for (role, address, says) in [
        ("api", API, "WARREN_AUTH"),
        ("up", API, "WARREN_AUTH"),
        ("worker", WORKER, "WARREN_WORKER_SECRET"),
        ("up", WORKER, "WARREN_WORKER_SECRET"),
    ] {
        let output = warren(&[role], &[BROKER, address]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{role}: {said}");
        assert!(said.contains(says) && said.contains("0.0.0.0:0"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_and_the_workers_secret_grant_access() {
    let secret = "a-secret-of-this-test-only".to_owned();
    let made = warren(&["key", "new", "ci"], &[]);
    assert!(made.status.success(), "{made:?}");
    let (stanza, shown) = (made.stdout, made.stderr);
    let shown = String::from_utf8(shown).expect("text");
    let key = shown
        .split_whitespace()
        .find(|word| word.starts_with("wk_"));
    let key = key.expect("the key is shown").to_owned();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &stanza).expect("it is written");
    let path = file.path().to_str().expect("a path");

    let _machine = machine::shared().await;
    let variables = [
        ("WARREN_API_KEYS_FILE", path),
        ("WARREN_WORKER_SECRET", secret.as_str()),
    ];
    // Not on 0.0.0.0: access does not depend on the address that it listens on.
    let warren = Warren::start("up", &variables).await.expect("it starts");
    let api = format!(
        "{}/api/rooms/tests/execute",
        warren.api.as_ref().expect("an API")
    );
    let worker = format!("{}/execute", warren.worker.as_ref().expect("a worker"));
    let unknown = format!("wk_{}", "a".repeat(43));
    for (url, credential, expected) in [
        (&api, None, 401),
        (&api, Some(&unknown), 401),
        (&api, Some(&secret), 401),
        (&api, Some(&key), 200),
        (&worker, None, 401),
        (&worker, Some(&key), 401),
        (&worker, Some(&secret), 200),
    ] {
        let (status, answer) = submit(url.clone(), credential.cloned()).await;
        assert_eq!(status, expected, "{url}: {answer}");
    }
    let log = warren.log();
    assert!(!log.contains(&key) && !log.contains(&secret), "{log}");
}

async fn submit(url: String, credential: Option<String>) -> (u16, Value) {
    let asking = tokio::task::spawn_blocking(move || {
        let mut request = http::client().post(&url);
        if let Some(credential) = credential {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let submission = json!({"language": "python", "code": "print(1)"});
        let answer = request.json(&submission).send().expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().expect("JSON"))
    });
    asking.await.expect("no panic")
}
