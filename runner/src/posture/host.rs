//! Reads the host's settings, as far as they show inside of a container.

use std::fs;

use super::facts::{FactSheet, content, field};
use super::trial::{Answer, Call, Manner, try_all};

/// The settings: key and file.
const SETTINGS: [(&str, &str); 8] = [
    ("boot", "/proc/sys/kernel/random/boot_id"),
    ("bpf_jit_limit", "/proc/sys/net/core/bpf_jit_limit"),
    ("core_pattern", "/proc/sys/kernel/core_pattern"),
    ("huge_pages", "/proc/sys/vm/nr_hugepages"),
    ("kernel", "/proc/sys/kernel/osrelease"),
    ("ksm", "/sys/kernel/mm/ksm/run"),
    ("ldisc_autoload", "/proc/sys/dev/tty/ldisc_autoload"),
    ("smt", "/sys/devices/system/cpu/smt/active"),
];

/// The directory of the CPU's known weaknesses, one file each.
const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";

pub(super) fn read(facts: &mut FactSheet) {
    for (key, path) in SETTINGS {
        facts.add_file(format!("host {key}"), path);
    }
    let memory = content("/proc/meminfo");
    for (key, name) in [("memory", "MemTotal"), ("swap", "SwapTotal")] {
        let value = field(&memory, name).unwrap_or("unreadable");
        facts.add(format!("host {key}"), value);
    }
    facts.add("host vulnerable", vulnerable().join(" "));
    facts.add("host landlock", landlock());
}

/// Returns the weaknesses against which the kernel does nothing.
fn vulnerable() -> Vec<String> {
    let entries = fs::read_dir(VULNERABILITIES)
        .into_iter()
        .flatten()
        .flatten();
    let open = entries.filter(|entry| {
        let state = fs::read_to_string(entry.path()).unwrap_or_default();
        state.starts_with("Vulnerable")
    });
    let mut names: Vec<String> = open
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Returns the version of the kernel's Landlock interface, or why there is none.
fn landlock() -> String {
    /// `LANDLOCK_CREATE_RULESET_VERSION`.
    const VERSION: i64 = 1;
    let ask = Call {
        number: libc::SYS_landlock_create_ruleset,
        arguments: [0, 0, VERSION, 0, 0, 0],
        manner: Manner::Plain,
    };
    match try_all(&[ask]).as_deref() {
        Ok([Answer::Returned(version)]) => version.to_string(),
        Ok([Answer::Failed(libc::EPERM)]) => "refused".to_owned(),
        Ok([Answer::Failed(libc::ENOSYS | libc::EOPNOTSUPP)]) => "absent".to_owned(),
        _ => "unknown".to_owned(),
    }
}
