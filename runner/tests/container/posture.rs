//! The runner's own part of a program's posture, against the golden file of the whole.
//!
//! `tests/containment/posture/` has the whole, with what the worker asks of the engine.

use std::collections::BTreeMap;

use warren_runner::wire::{Ending, Exit};

use crate::harness::{Container, Image, python};

/// The beginnings of the facts that the runner alone brings about, whatever the engine does.
const OWN: [&str; 13] = [
    "SigBlk",
    "descriptors",
    "environment",
    "landlock",
    "leads a session",
    "limit of msgqueue size",
    "limit of nice priority",
    "limit of pending signals",
    "limit of realtime priority",
    "nice",
    "oom_score_adj",
    "reads /",
    "writes /",
];

fn facts(text: &str) -> BTreeMap<&str, &str> {
    let facts = text.lines().filter_map(|line| line.split_once(" = "));
    facts
        .filter(|(name, _)| OWN.iter().any(|own| name.starts_with(own)))
        .collect()
}

#[test]
fn a_program_has_the_runners_part_of_the_golden_posture() {
    let golden = include_str!("../../../tests/containment/posture/docker-python.txt");
    // What follows depends on the version of control groups.
    let golden = golden.split("\n[").next().unwrap();
    let mut job = python("");
    job.execute.command.args = ["/.warren/runner", "--posture"].map(str::to_owned).into();
    let report = Container::start(Image::Python).run(job);
    let stderr = String::from_utf8_lossy(&report.stderr.bytes);
    assert_eq!(report.ending, Ending::Ended(Exit::Status(0)), "{stderr}");
    let seen = String::from_utf8_lossy(&report.stdout.bytes);
    assert_eq!(facts(&seen), facts(golden));
    assert!(facts(golden).len() > 25, "{}", facts(golden).len());
}
