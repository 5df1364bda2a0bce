//! Reads the process itself: identity, privileges, limits, priority, and what it was given.

use std::fs;

use rustix::process::{getpid, getppid, getsid};

use super::facts::{FactSheet, content, field};

/// The fields of `/proc/self/status` that are facts as they stand.
const FIELDS: [&str; 13] = [
    "CapAmb",
    "CapBnd",
    "CapEff",
    "CapInh",
    "CapPrm",
    "Gid",
    "Groups",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "SigBlk",
    "SigIgn",
    "Uid",
];

/// The limits by the names of `/proc/self/limits`.
const LIMITS: [&str; 16] = [
    "cpu time",
    "file size",
    "data size",
    "stack size",
    "core file size",
    "resident set",
    "processes",
    "open files",
    "locked memory",
    "address space",
    "file locks",
    "pending signals",
    "msgqueue size",
    "nice priority",
    "realtime priority",
    "realtime timeout",
];

pub(super) fn read(facts: &mut FactSheet) {
    of_status(facts, "");
    limits(facts);
    facts.add_file("oom_score_adj", "/proc/self/oom_score_adj");
    given(facts);
    namespaces(facts);
}

/// Reads identity and privileges from `/proc/self/status`, and the priority. `of` begins the keys.
pub(super) fn of_status(facts: &mut FactSheet, of: &str) {
    let status = content("/proc/self/status");
    for name in FIELDS {
        // Kernels before 5.9 do not count filters.
        if let Some(value) = field(&status, name) {
            facts.add(format!("{of}{name}"), value);
        }
    }
    let stat = content("/proc/self/stat");
    // After the command's name, which may hold anything, the fields 3 and on of proc(5).
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .map(|rest| rest.split_whitespace().collect())
        .unwrap_or_default();
    for (name, number) in [("nice", 19), ("real-time priority", 40), ("policy", 41)] {
        let value = fields.get(number - 3).unwrap_or(&"unknown");
        facts.add(format!("{of}{name}"), value);
    }
}

fn limits(facts: &mut FactSheet) {
    let text = content("/proc/self/limits");
    for name in LIMITS {
        let line = text.lines().find_map(|line| {
            let rest = line.strip_prefix("Max ")?.strip_prefix(name)?;
            let mut words = rest.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        });
        facts.add(format!("limit of {name}"), line.unwrap_or_default());
    }
}

/// Reads what the process was started with.
fn given(facts: &mut FactSheet) {
    let mut variables: Vec<String> = std::env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    variables.sort();
    facts.add("environment", variables.join(" "));
    let directory = std::env::current_dir().unwrap_or_default();
    facts.add("working directory", directory.display());
    let status = content("/proc/self/status");
    facts.add("umask", field(&status, "Umask").unwrap_or("unknown"));
    // The last one is the listing's own.
    let mut open = entries("/proc/self/fd");
    open.pop();
    facts.add("descriptors", open.join(" "));
    facts.add(
        "parent is PID 1",
        getppid().is_some_and(|pid| pid.is_init()),
    );
    let leads = getsid(None).is_ok_and(|session| session == getpid());
    facts.add("leads a session", leads);
}

fn namespaces(facts: &mut FactSheet) {
    let own = std::process::id().to_string();
    let others = entries("/proc").into_iter();
    let others = others.filter(|name| name.parse::<u32>().is_ok() && *name != own);
    facts.add("other processes", others.collect::<Vec<_>>().join(" "));
    let devices = content("/proc/net/dev");
    let mut devices: Vec<&str> = devices
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    devices.sort_unstable();
    facts.add("network interfaces", devices.join(" "));
    // One line is the heading.
    let routes = content("/proc/net/route").lines().count().saturating_sub(1);
    facts.add("network routes", routes);
    facts.add_file("host name", "/proc/sys/kernel/hostname");
    let whole = "0 0 4294967295";
    let map = content("/proc/self/uid_map");
    let map: Vec<&str> = map.split_whitespace().collect();
    let of_host = map.join(" ") == whole;
    facts.add(
        "user namespace",
        if of_host { "the host's" } else { "its own" },
    );
    for name in ["msg", "sem", "shm"] {
        let objects = content(&format!("/proc/sysvipc/{name}")).lines().count();
        facts.add(
            format!("System V objects {name}"),
            objects.saturating_sub(1),
        );
    }
}

/// Returns the names in a directory, sorted by number where they are numbers.
fn entries(path: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_by_key(|name| (name.parse::<u32>().unwrap_or(u32::MAX), name.clone()));
    names
}
