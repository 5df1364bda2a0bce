//! Tests of the findings, on what was read from hosts and on what might be.

use std::collections::BTreeMap;

use warren_protocol::outcome::EngineName;

use super::findings::{Seen, findings};
use super::names::names_of;
use super::{Finding, Severity};
use crate::engine::EngineHost;
use crate::posture::Posture;

/// A host with nothing to find.
fn good() -> (Vec<(&'static str, &'static str)>, EngineHost) {
    let facts = vec![
        ("cgroup version", "2"),
        ("host core_pattern", "core"),
        ("host huge_pages", "0"),
        ("host kernel", "6.12.48-cloud-amd64"),
        ("host ksm", "0"),
        ("host landlock", "6"),
        ("host ldisc_autoload", "0"),
        ("host smt", "0"),
        ("host swap", "0 kB"),
        ("host vulnerable", ""),
        ("ioctl tiocsetd", "EPERM"),
        ("limit of core file size", "1 1"),
        ("mmap hugetlb", "EPERM"),
        ("setsockopt attach_filter", "EPERM"),
    ];
    let engine = EngineHost {
        name: EngineName::Docker,
        version: "29.1.3".to_owned(),
        runc: Some("1.3.3".to_owned()),
        security: vec![
            "name=apparmor".to_owned(),
            "name=seccomp,profile=builtin".to_owned(),
        ],
        cores: 2,
        memory: 8 << 30,
    };
    (facts, engine)
}

fn posture(facts: &[(&str, &str)]) -> Posture {
    let facts = facts
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Posture::of(facts.collect::<BTreeMap<_, _>>())
}

fn found(
    facts: &[(&str, &str)],
    engine: &EngineHost,
    jit_limit: Option<u64>,
    slots: u16,
) -> Vec<Finding> {
    findings(&Seen {
        posture: &posture(facts),
        engine,
        jit_limit,
        slots,
    })
}

/// Returns the findings that are not `ok`, on a host of which some facts are others.
fn with(others: &[(&'static str, &'static str)]) -> Vec<(&'static str, Severity)> {
    let (mut facts, engine) = good();
    facts.extend(others);
    wrong(&engine, found(&facts, &engine, Some(264_241_152), 4))
}

fn with_engine(change: impl FnOnce(&mut EngineHost)) -> Vec<(&'static str, Severity)> {
    let (facts, mut engine) = good();
    change(&mut engine);
    wrong(&engine, found(&facts, &engine, Some(264_241_152), 4))
}

fn wrong(engine: &EngineHost, findings: Vec<Finding>) -> Vec<(&'static str, Severity)> {
    let names: Vec<&str> = findings.iter().map(|finding| finding.name).collect();
    assert_eq!(names, names_of(engine.name).collect::<Vec<_>>());
    let wrong = findings.into_iter().filter(|finding| {
        assert!(
            !finding.says.is_empty() && !finding.says.ends_with('.'),
            "{finding:?}"
        );
        assert_eq!(
            finding.severity == Severity::Ok,
            finding.remedy.is_empty(),
            "{finding:?}"
        );
        finding.severity != Severity::Ok
    });
    wrong
        .map(|finding| (finding.name, finding.severity))
        .collect()
}

#[test]
fn a_good_host_has_nothing_to_find() {
    assert_eq!(with(&[]), []);
}

#[test]
fn each_weakness_is_a_finding_of_its_own() {
    use Severity::{Advice, Degraded};
    for (fact, value, name, severity) in [
        ("cgroup version", "1", "cgroup-version", Degraded),
        (
            "host core_pattern",
            "|/usr/lib/systemd/systemd-coredump %P",
            "core-pattern",
            Advice,
        ),
        ("host vulnerable", "meltdown", "cpu-vulnerabilities", Advice),
        ("host huge_pages", "128", "huge-pages", Advice),
        ("host kernel", "4.19.0-26-amd64", "kernel-version", Degraded),
        ("host landlock", "absent", "landlock", Degraded),
        ("host ldisc_autoload", "1", "line-disciplines", Advice),
        ("host ksm", "1", "same-page-merging", Advice),
        ("host smt", "1", "simultaneous-multithreading", Advice),
        ("host swap", "2097148 kB", "swap", Advice),
    ] {
        assert_eq!(
            with(&[(fact, value)]),
            [(name, severity)],
            "{fact} = {value}"
        );
    }
}

#[test]
fn what_programs_can_reach_weighs_more_than_what_they_cannot() {
    use Severity::Degraded;
    let handler = ("host core_pattern", "|/usr/share/apport/apport %p");
    let core = [handler, ("limit of core file size", "0 0")];
    assert_eq!(with(&core), [("core-pattern", Degraded)]);
    let pages = [("host huge_pages", "8"), ("mmap hugetlb", "reached")];
    assert_eq!(with(&pages), [("huge-pages", Degraded)]);
    let lines = [("host ldisc_autoload", "1"), ("ioctl tiocsetd", "reached")];
    assert_eq!(with(&lines), [("line-disciplines", Degraded)]);
}

#[test]
fn a_low_limit_of_compiled_filters_is_found_and_an_unknown_one_is_not() {
    let (mut facts, engine) = good();
    let jit = |facts: &[_], limit| wrong(&engine, found(facts, &engine, limit, 4));
    assert_eq!(jit(&facts, None), []);
    let low = Some(16 << 20);
    assert_eq!(jit(&facts, low), [("bpf-jit-limit", Severity::Advice)]);
    facts.push(("setsockopt attach_filter", "reached"));
    assert_eq!(jit(&facts, low), [("bpf-jit-limit", Severity::Degraded)]);
}

#[test]
fn old_versions_weigh_less_where_a_distribution_may_have_patched_them() {
    use Severity::{Advice, Degraded};
    let runc = |version: &str| {
        with_engine(|engine| engine.runc = Some(version.to_owned()))
            .first()
            .map(|(name, severity)| (*name, *severity))
    };
    assert_eq!(runc("1.1.5+ds1-1+deb12u1"), Some(("runc-version", Advice)));
    assert_eq!(runc("1.1.12"), Some(("runc-version", Degraded)));
    assert_eq!(runc("1.3.2"), Some(("runc-version", Degraded)));
    assert_eq!(runc("1.4.0-rc.2"), Some(("runc-version", Degraded)));
    for safe in ["1.2.8", "1.3.3", "1.4.0-rc.3", "1.4.0", "unknown"] {
        assert_eq!(runc(safe), None, "{safe}");
    }
    let without = with_engine(|engine| engine.runc = None);
    assert_eq!(without, []);
    let old = with_engine(|engine| engine.version = "20.10.24+dfsg1".to_owned());
    assert_eq!(old, [("docker-version", Advice)]);
    let unmaintained = with_engine(|engine| engine.version = "28.5.2".to_owned());
    assert_eq!(unmaintained, [("docker-version", Advice)]);
}

#[test]
fn what_the_engine_says_of_its_host_is_found() {
    use Severity::Advice;
    let bare =
        with_engine(|engine| engine.security = vec!["name=seccomp,profile=builtin".to_owned()]);
    assert_eq!(bare, [("mandatory-access-control", Advice)]);
    let rootless = with_engine(|engine| engine.security.push("name=rootless".to_owned()));
    assert_eq!(rootless, [("user-namespaces", Advice)]);
    let small = with_engine(|engine| engine.memory = 512 << 20);
    assert_eq!(small, [("capacity", Advice)]);
}

#[test]
fn a_host_of_the_native_engine_has_findings_of_its_own() {
    use Severity::Advice;
    let native = |security: &str| {
        with_engine(|engine| {
            engine.name = EngineName::Native;
            engine.version = "0.1.0".to_owned();
            engine.runc = None;
            engine.security = vec![security.to_owned()];
        })
    };
    let no_profile = ("mandatory-access-control", Advice);
    assert_eq!(native("name=rootless"), [no_profile]);
    assert_eq!(native(""), [("launcher-rights", Advice), no_profile]);
}
