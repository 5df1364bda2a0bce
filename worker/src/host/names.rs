//! The names of the findings, and the engines on whose hosts each is looked for.

use warren_protocol::outcome::EngineName;

/// The names of all findings.
pub const NAMES: [&str; 17] = [
    "bpf-jit-limit",
    "capacity",
    "cgroup-version",
    "core-pattern",
    "cpu-vulnerabilities",
    "docker-version",
    "huge-pages",
    "kernel-version",
    "landlock",
    "launcher-rights",
    "line-disciplines",
    "mandatory-access-control",
    "runc-version",
    "same-page-merging",
    "simultaneous-multithreading",
    "swap",
    "user-namespaces",
];

/// The findings that only Docker's hosts have.
const OF_DOCKER: [&str; 2] = ["docker-version", "runc-version"];

/// The findings that only hosts of the native engine have.
const OF_NATIVE: [&str; 1] = ["launcher-rights"];

/// Returns the names of the findings on a host of this engine.
pub fn names_of(engine: EngineName) -> impl Iterator<Item = &'static str> {
    let others: &[&str] = match engine {
        EngineName::Native => &OF_DOCKER,
        EngineName::Docker | EngineName::Judge0 => &OF_NATIVE,
    };
    NAMES.into_iter().filter(|name| !others.contains(name))
}
