//! `warren run`, as a person uses it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::harness::{corpus, machine, warren::Warren};

async fn run(server: &str, fixture: &str, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .args(["run", "--server", server])
        .arg(corpus::path_of(fixture))
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_remove("WARREN_SERVER")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("warren run starts");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(stdin.as_bytes())
            .expect("it reads or has ended");
        child.wait_with_output().expect("it ends")
    });
    running.await.expect("no panic")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_run_and_its_verdict_shown() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let server = warren.api.clone().expect("an API");

    let hello = run(&server, "python/hello.py", &[], "").await;
    assert_eq!(
        (hello.status.code(), text(&hello.stdout)),
        (Some(0), "hello\n"),
        "{hello:?}"
    );
    assert!(
        text(&hello.stderr).starts_with("✓ completed in "),
        "{hello:?}"
    );

    let echo = run(
        &server,
        "javascript/echo_stdin.js",
        &["--input", "-"],
        "a\nb\n",
    )
    .await;
    assert_eq!(
        (echo.status.code(), text(&echo.stdout)),
        (Some(0), "a|b\n"),
        "{echo:?}"
    );
    let echo = run(&server, "python/echo_stdin.py", &["--input", "x"], "").await;
    assert_eq!(text(&echo.stdout), "x\n", "{echo:?}");

    let failed = run(&server, "python/exit_status_7.py", &[], "").await;
    assert_eq!(
        (failed.status.code(), text(&failed.stdout)),
        (Some(1), "leaving\n"),
        "{failed:?}"
    );
    assert!(
        text(&failed.stderr).contains("✗ runtime error (exit status 7)"),
        "{failed:?}"
    );

    let refused = run(&server, "python/hello.py", &["--language", "cobol"], "").await;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("cobol"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn test_cases_are_read_from_a_file_and_shown_one_a_line() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let server = warren.api.clone().expect("an API");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("cases.json");
    let cases = r#"[{"input":"a","expectedOutput":"a"},{"input":"b","expectedOutput":"x"}]"#;
    std::fs::write(&file, cases).expect("written");
    let file = file.to_str().expect("text");

    let judged = run(&server, "python/echo_stdin.py", &["--cases", file], "").await;
    assert_eq!(judged.status.code(), Some(1), "{judged:?}");
    let said = text(&judged.stderr);
    assert!(
        said.contains("✓ case 1") && said.contains("✗ case 2"),
        "{said}"
    );
    assert!(said.contains(r#"line 1: expected "x", got "b""#), "{said}");

    let raw = run(
        &server,
        "python/echo_stdin.py",
        &["--json", "--input", "x"],
        "",
    )
    .await;
    assert_eq!(
        (raw.status.code(), text(&raw.stderr)),
        (Some(0), ""),
        "{raw:?}"
    );
    let answer: serde_json::Value = serde_json::from_slice(&raw.stdout).expect("JSON alone");
    assert_eq!(answer["stdout"], "x\n");
}

#[test]
fn shells_can_complete_the_commands() {
    let output = Command::new(env!("CARGO_BIN_EXE_warren"))
        .args(["completions", "bash"])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("history"));
}

#[tokio::test]
async fn without_a_server_the_error_says_how_to_start_one() {
    let output = run("http://127.0.0.1:9", "python/hello.py", &[], "").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("warren up"), "{output:?}");
}
