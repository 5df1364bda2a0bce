//! `warren doctor`, as a person and a script use it.

use std::process::Output;

use serde_json::{Value, json};
use warren_protocol::outcome::EngineName;

use crate::harness::doctor::doctor;
use crate::harness::machine;
use crate::harness::meddler::Meddler;

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_examines_sandboxes_and_host_with_docker_alone() {
    let _machine = machine::shared().await;
    let output = doctor(None, &["--json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON alone");
    for language in ["javascript", "python"] {
        let examined = &report["languages"][language];
        assert_eq!(examined["status"], "ok", "{examined:#}");
        assert_eq!(examined["posture"]["NoNewPrivs"], "1");
    }
    let findings = report["host"].as_array().expect("findings");
    let own = warren_worker::findings_of(EngineName::Docker);
    assert_eq!(findings.len(), own.count());
    let is_degraded = findings
        .iter()
        .any(|finding| finding["severity"] == "degraded");
    let (status, code) = if is_degraded {
        ("degraded", 1)
    } else {
        ("ok", 0)
    };
    assert_eq!(report["status"], status);
    assert_eq!(output.status.code(), Some(code), "{output:?}");

    let output = doctor(None, &[]).await;
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    for finding in findings {
        for part in ["name", "says"] {
            let part = finding[part].as_str().expect("a text");
            assert!(said.contains(part), "{part} in {said}");
        }
        if finding["severity"] != "ok" {
            let remedy = finding["remedy"].as_str().expect("what to do");
            assert!(said.contains(remedy), "{remedy} in {said}");
        }
    }
    assert!(
        said.contains("python") && said.contains("confined as it must be"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_sandbox_is_wrong_and_named() {
    let _machine = machine::shared().await;
    let meddler = Meddler::start(|configuration: &mut Value| {
        configuration["HostConfig"]["ReadonlyRootfs"] = json!(false);
    });
    let meddler = meddler.expect("a proxy");
    let output = doctor(Some(&meddler.host()), &[]).await;
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let named = said
        .lines()
        .any(|line| line.contains("wrong") && line.contains("`mount /`"));
    assert!(named, "{said}");
    assert!(said.contains("a worker here runs no job"), "{said}");
}

#[tokio::test]
async fn without_docker_it_says_so() {
    let output = doctor(Some("unix:///nowhere/docker.sock"), &[]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Docker"), "{said}");
}

#[test]
fn every_finding_has_its_remedy_in_the_guide_and_nothing_else_has() {
    let guide = include_str!("../../../docs/OPERATIONS.md");
    let section = guide
        .split("\n## ")
        .find(|part| part.starts_with("The host\n"));
    let section = section.expect("a section on the host");
    let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
    let headings: Vec<&str> = headings.collect();
    assert_eq!(headings, warren_worker::FINDINGS);
}
