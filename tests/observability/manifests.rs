//! Checks deploy/kubernetes against Kubernetes' own schemas (`manifests.py`).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::rules::{ROOT, cache};

#[test]
fn kubernetes_knows_every_field_and_pods_are_hardened() {
    let output = Command::new("python3")
        .args(["-W", "ignore", "tests/observability/manifests.py"])
        .arg(schemas())
        .arg("deploy/kubernetes")
        .current_dir(ROOT)
        .output()
        .expect("python3, which `scripts/provision test` provides");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{said}");
    let report: Value = serde_json::from_str(&text).expect("a report");
    let kinds = report["kinds"].as_array().expect("kinds");
    for kind in [
        "Deployment",
        "NetworkPolicy",
        "ScaledObject",
        "PodDisruptionBudget",
    ] {
        assert!(
            kinds.iter().any(|one| one == kind),
            "no {kind} in {kinds:?}"
        );
    }
}

/// Returns the wheel with the schemas.
fn schemas() -> PathBuf {
    let directory = cache().join("kubernetes-validate");
    let listed = std::fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .flatten();
    let mut wheels = listed.map(|entry| entry.path());
    wheels
        .find(|path: &PathBuf| path.extension() == Some(Path::new("whl").as_os_str()))
        .unwrap_or_else(|| {
            panic!(
                "no schemas in {}: run `scripts/provision test`",
                directory.display()
            )
        })
}
