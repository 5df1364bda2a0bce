//! The dependencies of each crate, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Warren's crates, each with those of Warren's crates that it may depend on.
const MAY_KNOW: [(&str, &[&str]); 15] = [
    (
        "warren",
        &[
            "warren-api",
            "warren-bench",
            "warren-config",
            "warren-http",
            "warren-languages",
            "warren-launcher",
            "warren-outbound",
            "warren-protocol",
            "warren-queue",
            "warren-rootfs",
            "warren-telemetry",
            "warren-worker",
        ],
    ),
    // API and worker know only the queue and the protocol of each other.
    (
        "warren-api",
        &[
            "warren-config",
            "warren-http",
            "warren-languages",
            "warren-outbound",
            "warren-protocol",
            "warren-queue",
            "warren-telemetry",
        ],
    ),
    (
        "warren-worker",
        &[
            "warren-config",
            "warren-http",
            "warren-languages",
            "warren-launcher",
            "warren-protocol",
            "warren-queue",
            "warren-rootfs",
            "warren-runner",
            "warren-telemetry",
        ],
    ),
    // It measures Warren from outside, as a program that it starts.
    (
        "warren-bench",
        &[
            "warren-languages",
            "warren-outbound",
            "warren-protocol",
            "warren-queue",
        ],
    ),
    ("warren-http", &["warren-protocol"]),
    ("warren-outbound", &["warren-protocol"]),
    // It makes directories, and no sandboxes of them.
    ("warren-rootfs", &["warren-runner"]),
    ("warren-queue", &["warren-protocol"]),
    ("warren-telemetry", &["warren-config"]),
    ("warren-protocol", &["warren-languages"]),
    // It makes sandboxes, and knows nothing of jobs.
    ("warren-launcher", &["warren-bpf"]),
    ("warren-bpf", &[]),
    ("warren-config", &[]),
    ("warren-languages", &[]),
    // PID 1 of every container: what it knows, an escape would find there.
    ("warren-runner", &[]),
];

/// Libraries that define what a crate is about, each with the only crates that may depend on them.
const ONLY_IN: [(&str, &[&str]); 10] = [
    ("axum", &["warren-api", "warren-http", "warren-worker"]),
    ("bollard", &["warren-worker"]),
    // The benchmark's figure of the bare broker leaves Warren's queue out on purpose.
    ("lapin", &["warren-bench", "warren-queue"]),
    ("mongodb", &["warren-api"]),
    ("opentelemetry_sdk", &["warren-telemetry"]),
    ("regex", &["warren-languages"]),
    (
        "reqwest",
        &[
            "warren",
            "warren-api",
            "warren-bench",
            "warren-outbound",
            "warren-telemetry",
        ],
    ),
    ("rusqlite", &["warren-api"]),
    (
        "tokio",
        &[
            "warren",
            "warren-api",
            "warren-bench",
            "warren-http",
            "warren-queue",
            "warren-worker",
        ],
    ),
    ("toml", &["warren-api", "warren-languages"]),
];

/// The direct, non-dev dependencies of each crate of the workspace.
type Dependencies = BTreeMap<String, BTreeSet<String>>;

fn metadata() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata works in the workspace")
}

fn dependencies() -> Dependencies {
    let packages = metadata().packages.into_iter();
    packages
        .map(|package| {
            let own = package.dependencies.into_iter();
            let shipped = own.filter(|dependency| dependency.kind != DependencyKind::Development);
            let names = shipped.map(|dependency| dependency.name).collect();
            (package.name.to_string(), names)
        })
        .collect()
}

/// Returns the dependencies that the tables do not permit, and the entries of the tables that do
/// not exist.
fn faults(
    dependencies: &Dependencies,
    may_know: &[(&str, &[&str])],
    only_in: &[(&str, &[&str])],
) -> Vec<String> {
    let may_know: BTreeMap<_, _> = may_know.iter().copied().collect();
    let only_in: BTreeMap<_, _> = only_in.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, known) in dependencies {
        let Some(permitted) = may_know.get(name.as_str()) else {
            faults.push(format!("{name} is not listed"));
            continue;
        };
        for other in known {
            let is_ours = dependencies.contains_key(other);
            let users = only_in.get(other.as_str());
            if is_ours && !permitted.contains(&other.as_str())
                || users.is_some_and(|users| !users.contains(&name.as_str()))
            {
                faults.push(format!("{name} must not depend on {other}"));
            }
        }
    }
    // An entry that permits a missing dependency would hide that the rule sees nothing.
    let listed = may_know.iter().map(|(name, known)| (*name, *known));
    let uses = only_in.iter().flat_map(|(library, users)| {
        users
            .iter()
            .map(|user| (*user, std::slice::from_ref(library)))
    });
    for (name, known) in listed.chain(uses) {
        for other in known {
            if !dependencies
                .get(name)
                .is_some_and(|known| known.contains(*other))
            {
                faults.push(format!("{name} may depend on {other}, and does not"));
            }
        }
    }
    faults
}

#[test]
fn crates_know_no_more_than_their_names_say() {
    let faults = faults(&dependencies(), &MAY_KNOW, &ONLY_IN);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn plain_cargo_test_covers_every_crate() {
    let metadata = metadata();
    let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let default: BTreeSet<_> = metadata.workspace_default_members.iter().collect();
    assert_eq!(members, default);
}

#[test]
fn a_dependency_that_is_not_permitted_is_a_fault() {
    let mut made_up = Dependencies::from([
        ("a".to_owned(), ["b", "x"].map(str::to_owned).into()),
        ("b".to_owned(), BTreeSet::new()),
    ]);
    const KNOW: [(&str, &[&str]); 2] = [("a", &["b"]), ("b", &[])];
    const ONLY: [(&str, &[&str]); 1] = [("x", &["a"])];
    assert_eq!(faults(&made_up, &KNOW, &ONLY), Vec::<String>::new());

    made_up.insert("b".to_owned(), ["a", "x"].map(str::to_owned).into());
    made_up.insert("c".to_owned(), BTreeSet::new());
    assert_eq!(
        faults(&made_up, &KNOW, &ONLY),
        [
            "b must not depend on a",
            "b must not depend on x",
            "c is not listed"
        ]
    );
    made_up.insert("a".to_owned(), BTreeSet::new());
    let found = faults(&made_up, &KNOW, &ONLY);
    assert!(found.contains(&"a may depend on b, and does not".to_owned()));
    assert!(found.contains(&"a may depend on x, and does not".to_owned()));
}
