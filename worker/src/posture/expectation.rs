//! The least confinement of a sandbox: facts without which no program is run in it.
//!
//! A short list on purpose: what holds on every host and engine. The golden files of
//! `tests/containment/posture/` hold every fact.

use std::fmt;

use serde::Serialize;
use warren_protocol::limits::Limits;

use super::facts::Posture;

/// The largest user id that accounts of people and services have (`UID_MAX` of login.defs(5)).
const LAST_ACCOUNT: u64 = 60_000;

/// The most files of the scratch directory: each costs the kernel memory and PID 1 time.
const SCRATCH_FILES: u64 = 4_096;

/// The least score by which the host's memory killer prefers a sandbox to the host's own processes.
const OOM_SCORE_ADJ: u64 = 500;

/// Calls that no program may reach: other processes, other kernel interfaces, the machine, objects
/// that outlive a run. `clone3` since its namespace flags are in memory.
const REFUSED_CALLS: [&str; 36] = [
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "clone3",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsopen",
    "init_module",
    "inotify_init1",
    "io_setup",
    "io_uring_setup",
    "kexec_load",
    "keyctl",
    "memfd_create",
    "mount",
    "move_mount",
    "mq_open",
    "msgget",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "reboot",
    "semget",
    "setns",
    "shmget",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
];

/// Arguments that no program may pass on.
const REFUSED_ARGUMENTS: [&str; 20] = [
    "clone newcgroup",
    "clone newipc",
    "clone newnet",
    "clone newns",
    "clone newpid",
    "clone newuser",
    "clone newuts",
    "ioctl tiocsetd",
    "mmap hugetlb",
    "prctl sched_core",
    "prctl set_seccomp",
    "prlimit of other, setting",
    "setpriority other",
    "setsockopt attach_bpf",
    "setsockopt attach_filter",
    "setsockopt attach_reuseport_cbpf",
    "setsockopt attach_reuseport_ebpf",
    "setsockopt tcp ulp",
    "socket netlink",
    "socket packet",
];

/// Paths that show or change the host.
const CLOSED_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/kcore",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/sys/firmware",
];

/// A fact that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The fact's name.
    pub fact: String,
    /// What was read; empty if it was not.
    pub found: String,
    /// What it must be.
    pub wanted: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.found.is_empty() {
            "unknown"
        } else {
            &self.found
        };
        write!(f, "`{}` is {found}, and must be {}", self.fact, self.wanted)
    }
}

/// The values that a fact may have.
enum Wanted {
    Is(String),
    OneOf(&'static [&'static str]),
    AtLeast(u64),
    AtMost(u64),
    /// No other words than these.
    Only(&'static [&'static str]),
    /// All of these among its words and options.
    With(&'static [&'static str]),
    /// Four times the same id, of nobody else.
    OneUnknownId,
    /// Not let through to the kernel.
    Refused,
}

impl Wanted {
    fn is_met_by(&self, found: &str) -> bool {
        let words = || found.split([' ', ',']);
        let number = found.parse::<u64>();
        match self {
            Self::Is(value) => found == value,
            Self::OneOf(values) => values.contains(&found),
            Self::AtLeast(least) => number.is_ok_and(|number| number >= *least),
            Self::AtMost(most) => number.is_ok_and(|number| number <= *most),
            Self::Only(allowed) => !found.is_empty() && words().all(|word| allowed.contains(&word)),
            Self::With(needed) => needed
                .iter()
                .all(|needed| words().any(|word| word == *needed)),
            Self::OneUnknownId => {
                let ids: Vec<Option<u64>> = words().map(|word| word.parse().ok()).collect();
                let first = ids.first().copied().flatten();
                first.is_some_and(|id| id > LAST_ACCOUNT) && ids.iter().all(|id| *id == first)
            }
            Self::Refused => !found.is_empty() && found != "reached",
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) => f.write_str(value),
            Self::OneOf(values) => f.write_str(&values.join(" or ")),
            Self::AtLeast(least) => write!(f, "{least} or more"),
            Self::AtMost(most) => write!(f, "{most} or less"),
            Self::Only(allowed) => write!(f, "nothing but {}", allowed.join(", ")),
            Self::With(needed) => write!(f, "with {}", needed.join(", ")),
            Self::OneUnknownId => write!(f, "one id above {LAST_ACCOUNT}"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

/// Returns what a posture falls short of, sorted by name.
pub(super) fn faults(posture: &Posture, limits: &Limits) -> Vec<Fault> {
    let wanted = [
        identity(),
        priority(),
        files(limits),
        surface(),
        groups(posture, limits),
    ];
    let mut faults: Vec<Fault> = wanted
        .into_iter()
        .flatten()
        .filter(|(fact, wanted)| !wanted.is_met_by(posture.fact(fact)))
        .map(|(fact, wanted)| Fault {
            found: posture.fact(&fact).to_owned(),
            wanted: wanted.to_string(),
            fact,
        })
        .collect();
    faults.sort_by(|one, other| one.fact.cmp(&other.fact));
    faults
}

type Requirement = (String, Wanted);

fn all(facts: &[&str], of: impl Fn() -> Wanted) -> Vec<Requirement> {
    facts
        .iter()
        .map(|fact| ((*fact).to_owned(), of()))
        .collect()
}

fn is(fact: &str, value: impl fmt::Display) -> Requirement {
    (fact.to_owned(), Wanted::Is(value.to_string()))
}

/// No root, no capability, no way to either, and both filters.
fn identity() -> Vec<Requirement> {
    const NO_CAPABILITY: &str = "0000000000000000";
    let mut wanted = all(&["Uid", "Gid", "Groups"], || Wanted::OneUnknownId);
    for set in ["CapAmb", "CapBnd", "CapEff", "CapInh", "CapPrm"] {
        wanted.push(is(set, NO_CAPABILITY));
    }
    wanted.push(is("NoNewPrivs", 1));
    wanted.push(is("Seccomp", 2));
    wanted.push(is("init Seccomp", 2));
    wanted.push(is("parent is PID 1", true));
    wanted.push(is("other processes", 1));
    wanted.push(("network interfaces".to_owned(), Wanted::OneOf(&["lo", "-"])));
    wanted.push(is("network routes", 0));
    wanted
}

/// Below PID 1 and the host in every queue, and no core files or message queues.
fn priority() -> Vec<Requirement> {
    let mut wanted = vec![is("nice", 19), is("oom_score_adj", 1000)];
    let killed_first = Wanted::AtLeast(OOM_SCORE_ADJ);
    wanted.push(("init oom_score_adj".to_owned(), killed_first));
    // One byte: the kernel starts no piped handler for it (core(5)).
    let core = Wanted::OneOf(&["0 0", "1 1"]);
    wanted.push(("limit of core file size".to_owned(), core));
    for resource in ["msgqueue size", "nice priority", "realtime priority"] {
        wanted.push(is(&format!("limit of {resource}"), "0 0"));
    }
    wanted.push(is("limit of pending signals", "256 256"));
    wanted
}

/// One bounded directory to write, from which nothing is executed.
fn files(limits: &Limits) -> Vec<Requirement> {
    let open_files = limits.open_files;
    let mut wanted = vec![
        is("limit of open files", format!("{open_files} {open_files}")),
        ("mount /".to_owned(), Wanted::With(&["ro"])),
        (
            "mount /tmp".to_owned(),
            Wanted::With(&["noexec", "nosuid", "nodev"]),
        ),
        (
            "writable directories".to_owned(),
            Wanted::Only(&["/tmp", "/dev/shm"]),
        ),
        (
            "scratch bytes".to_owned(),
            Wanted::AtMost(limits.scratch.get()),
        ),
        ("scratch files".to_owned(), Wanted::AtMost(SCRATCH_FILES)),
        is("executes scratch", "EACCES"),
    ];
    for path in CLOSED_PATHS {
        wanted.push(is(&format!("host path {path}"), "closed"));
    }
    for path in ["environ", "maps", "mem"] {
        let denied = Wanted::OneOf(&["EACCES", "EPERM"]);
        wanted.push((format!("reads /proc/1/{path}"), denied));
    }
    wanted
}

/// The calls and arguments that are refused.
fn surface() -> Vec<Requirement> {
    let calls = REFUSED_CALLS.map(|name| format!("call {name}"));
    let arguments = REFUSED_ARGUMENTS.map(str::to_owned);
    let refused = calls.into_iter().chain(arguments);
    refused.map(|fact| (fact, Wanted::Refused)).collect()
}

/// The limits of the control groups.
fn groups(posture: &Posture, limits: &Limits) -> Vec<Requirement> {
    /// The kernel's usual period, in microseconds.
    const PERIOD: u32 = 100_000;
    let (memory, quota) = (limits.memory.get(), PERIOD / 100 * limits.cpu_percent);
    match posture.fact("cgroup version") {
        "1" => vec![
            is("v1 memory", memory),
            is("v1 memory and swap", memory),
            is("v1 processes", limits.pids),
            is("v1 cpu quota", quota),
            is("v1 cpu period", PERIOD),
        ],
        "2" => vec![
            is("v2 memory", memory),
            is("v2 swap", 0),
            is("v2 processes", limits.pids),
            is("v2 cpu quota", format!("{quota} {PERIOD}")),
        ],
        _ => vec![("cgroup version".to_owned(), Wanted::OneOf(&["1", "2"]))],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Returns the first line of the golden file's facts that a requirement names.
    fn golden() -> Posture {
        let text = include_str!("../../../tests/containment/posture/docker-python.txt");
        let facts = text.lines().filter_map(|line| line.split_once(" = "));
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut facts: BTreeMap<String, String> = facts.collect();
        // The file holds both versions, and no ids.
        facts.insert("cgroup version".to_owned(), "1".to_owned());
        for name in ["Uid", "Gid"] {
            facts.insert(name.to_owned(), "64001 64001 64001 64001".to_owned());
        }
        facts.insert("Groups".to_owned(), "64001".to_owned());
        Posture::of(facts)
    }

    /// Returns the golden posture with another value for one fact.
    fn golden_but(fact: &str, value: &str) -> Posture {
        let mut facts = golden().facts().clone();
        facts.insert(fact.to_owned(), value.to_owned());
        Posture::of(facts)
    }

    fn found(posture: &Posture) -> Vec<Fault> {
        faults(posture, &Limits::default())
    }

    #[test]
    fn the_golden_posture_has_no_fault() {
        assert_eq!(found(&golden()), []);
    }

    #[test]
    fn each_fact_that_is_weaker_or_missing_is_a_fault_of_its_own() {
        for (fact, weak) in [
            ("Uid", "0 0 0 0"),
            ("Uid", "64001 64001 0 64001"),
            ("Gid", "1000 1000 1000 1000"),
            ("Groups", "64001 0"),
            ("CapBnd", "00000000a80425fb"),
            ("NoNewPrivs", "0"),
            ("Seccomp", "0"),
            ("network interfaces", "eth0 lo"),
            ("nice", "0"),
            ("limit of open files", "1024 1024"),
            ("limit of core file size", "0 unlimited"),
            ("mount /", "of the host rw"),
            ("mount /tmp", "tmpfs rw,nosuid,nodev"),
            ("writable directories", "/tmp /var/tmp"),
            ("scratch bytes", "16777217"),
            ("scratch files", "3091463"),
            ("executes scratch", "yes"),
            ("call ptrace", "reached"),
            ("clone newuser", "reached"),
            ("host path /proc/sys", "open"),
            ("reads /proc/1/mem", "yes"),
            ("v1 memory", "9223372036854771712"),
            ("v1 processes", "max"),
            ("v1 cpu quota", "-1"),
            ("cgroup version", "3"),
        ] {
            for found in [weak, ""] {
                let faults = self::found(&golden_but(fact, found));
                let facts: Vec<&str> = faults.iter().map(|fault| fault.fact.as_str()).collect();
                assert_eq!(facts, [fact], "{found}");
                assert_eq!(faults[0].found, found);
            }
        }
    }

    #[test]
    fn a_fault_says_what_was_found_and_what_must_be() {
        let says = |fact, value| found(&golden_but(fact, value))[0].to_string();
        assert_eq!(says("nice", "0"), "`nice` is 0, and must be 19");
        let expected = "`call bpf` is unknown, and must be refused";
        assert_eq!(says("call bpf", ""), expected);
    }
}
