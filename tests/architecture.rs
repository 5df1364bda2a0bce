//! The rules of the workspace, read from `cargo metadata`.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The direct, non-dev dependencies of one workspace crate.
fn dependencies(of: &str) -> BTreeSet<String> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata works in the workspace");
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == of)
        .expect("the crate exists");
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.clone())
        .collect()
}

fn assert_free_of(of: &str, forbidden: &[&str]) {
    let dependencies = dependencies(of);
    assert!(
        !dependencies.is_empty(),
        "{of} has dependencies, or this test sees none"
    );
    let found: Vec<_> = forbidden
        .iter()
        .filter(|name| dependencies.contains(**name))
        .collect();
    assert!(found.is_empty(), "{of} must not depend on {found:?}");
}

#[test]
fn api_and_worker_are_independent() {
    assert_free_of("warren-api", &["warren-worker", "warren-runner"]);
    assert_free_of("warren-worker", &["warren-api"]);
}

#[test]
fn shared_crates_know_no_more_than_their_names_say() {
    const ABOVE: [&str; 7] = [
        "axum",
        "bollard",
        "mongodb",
        "rusqlite",
        "warren-api",
        "warren-worker",
        "warren-runner",
    ];
    for of in [
        "warren-protocol",
        "warren-queue",
        "warren-languages",
        "warren-config",
        "warren-telemetry",
    ] {
        assert_free_of(of, &ABOVE);
    }
    assert_free_of("warren-protocol", &["lapin", "tokio", "warren-queue"]);
    assert_free_of(
        "warren-languages",
        &["tokio", "warren-protocol", "warren-queue"],
    );
    assert_free_of("warren-http", &["lapin", "warren-queue"]);
}

#[test]
fn what_api_and_worker_share_knows_neither() {
    assert_free_of(
        "warren-http",
        &["warren-api", "warren-worker", "warren-runner", "bollard"],
    );
}

#[test]
fn only_the_worker_reaches_a_container_engine() {
    assert_free_of("warren-api", &["bollard"]);
    assert_free_of("warren", &["bollard"]);
    assert!(dependencies("warren-worker").contains("bollard"));
}

#[test]
fn the_runner_has_no_async_runtime() {
    assert_free_of(
        "warren-runner",
        &[
            "tokio",
            "async-std",
            "smol",
            "warren-protocol",
            "warren-queue",
        ],
    );
}

#[test]
fn plain_cargo_test_covers_every_crate() {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata works in the workspace");
    let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let default: BTreeSet<_> = metadata.workspace_default_members.iter().collect();
    assert_eq!(members, default);
}
