//! `warren run --async`, `result`, `history` and `cancel`, as a person uses them.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{corpus, machine, warren::Warren};

async fn warren(server: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .args(arguments)
        .args(["--server", server])
        .current_dir(std::env::temp_dir())
        .env_remove("WARREN_KEY")
        .stdin(Stdio::null());
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("no panic").expect("it runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text").trim()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unattended_job_is_found_again() {
    let _machine = machine::shared().await;
    let served = Warren::start("up", &[]).await.expect("warren up starts");
    let server = served.api.clone().expect("an API");
    let hello = corpus::path_of("python/hello.py");
    let hello = hello.to_str().expect("text");

    let run = warren(&server, &["run", hello, "--async", "--room", "cli-test"]).await;
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let id = text(&run.stdout);
    let result = warren(&server, &["result", id, "--wait", "60"]).await;
    assert_eq!(
        (result.status.code(), text(&result.stdout)),
        (Some(0), "hello"),
        "{result:?}"
    );

    let history = warren(&server, &["history", "cli-test", "--json"]).await;
    let listed: Value = serde_json::from_slice(&history.stdout).expect("JSON alone");
    assert_eq!(listed["executions"][0]["jobId"], id, "{history:?}");
    assert_eq!(listed["executions"][0]["status"], "completed");
    let shown = warren(&server, &["history", "cli-test", "--language", "python"]).await;
    assert!(text(&shown.stdout).starts_with(id), "{shown:?}");
    let others = warren(
        &server,
        &["history", "cli-test", "--language", "javascript"],
    )
    .await;
    assert_eq!(
        (others.status.code(), text(&others.stdout)),
        (Some(0), ""),
        "{others:?}"
    );

    let unknown = "01a2093c-e6d7-7648-82fb-e7d282b7c47a";
    let cancelled = warren(&server, &["cancel", unknown]).await;
    assert_eq!(cancelled.status.code(), Some(2), "{cancelled:?}");
    assert!(
        text(&cancelled.stderr).starts_with("warren: "),
        "{cancelled:?}"
    );
}
