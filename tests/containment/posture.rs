//! The whole posture of a sandbox against golden files, together and layer by layer.
//!
//! Most refusals have two causes: the container's profile and the runner's filter answer alike, and
//! the kernel refuses much to whoever lacks capabilities. So each layer is read alone as well, as
//! root with every capability: what is refused then, that layer refuses.
//!
//! `WARREN_WRITE_GOLDEN=1 cargo test --test warren containment::posture` writes the files anew;
//! their difference is for review.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::doctor::{doctor, doctor_on};
use crate::harness::engine::Engine;
use crate::harness::meddler::Meddler;
use crate::harness::{bare, machine};

/// The runner in every image.
const RUNNER: &str = "/.warren/runner";

/// The variable that has the golden files written instead of compared.
const WRITE: &str = "WARREN_WRITE_GOLDEN";

/// Facts that depend on the host, and are no part of any golden file: the limits that the engine leaves
/// as they are, those of controllers that few kernels have, and masks of what a kernel may lack.
const OF_THE_HOST: [&str; 16] = [
    "cgroup version",
    "limit of address space",
    "limit of cpu time",
    "limit of data size",
    "limit of file locks",
    "limit of file size",
    "limit of locked memory",
    "limit of processes",
    "limit of realtime timeout",
    "limit of resident set",
    "limit of stack size",
    "mount /proc/config.gz",
    "mount /proc/modules",
    "v1 huge pages of 2 MB",
    "v1 real-time",
    "v2 huge pages of 2 MB",
];

/// The beginnings of facts that depend on the version of control groups: its limits, and internet
/// sockets, which version 1 charges to nobody.
const BY_VERSION: [&str; 3] = ["v1 ", "v2 ", "socket inet"];

/// Of the facts that begin with `host`, those that are the sandbox's.
const OF_THE_SANDBOX: [&str; 2] = ["host name", "host path "];

type Facts = BTreeMap<String, String>;

/// A golden file: facts on every machine, and those of each version of control groups.
struct Golden {
    path: PathBuf,
    sections: BTreeMap<String, Facts>,
}

impl Golden {
    fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/containment/posture")
            .join(name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut sections: BTreeMap<String, Facts> = BTreeMap::new();
        let mut section = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').to_owned();
            } else if let Some((key, value)) = line.split_once(" = ") {
                let facts = sections.entry(section.clone()).or_default();
                facts.insert(key.to_owned(), value.to_owned());
            }
        }
        Self { path, sections }
    }

    /// Compares what was read with the file, or writes that into it.
    ///
    /// `kernel` has the refusals that come from below all layers: what this kernel lacks, and what a
    /// machine that is itself confined may not do. The file has what a layer says where the kernel
    /// refuses nothing. So of what the layer passes on, such a refusal says nothing.
    fn settle(mut self, seen: &Facts, kernel: &Facts) {
        // Of this machine, which the tests' engine runs on.
        let is_v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let version = if is_v2 { "v2" } else { "v1" };
        let (of_version, common): (Facts, Facts) = seen
            .clone()
            .into_iter()
            .partition(|(key, _)| BY_VERSION.iter().any(|start| key.starts_with(start)));
        let section = format!("cgroup {version}");
        let read = [(String::new(), common), (section, of_version)];
        let is_writing = std::env::var_os(WRITE).is_some();
        let mut differences = Vec::new();
        for (section, mut seen) in read {
            let wanted = self.sections.remove(&section).unwrap_or_default();
            seen.retain(|key, answer| match wanted.get(key) {
                _ if kernel.get(key) != Some(answer) => true,
                Some(must) if must == "reached" => {
                    answer.clone_from(must);
                    true
                }
                must => must.is_some(),
            });
            differences.extend(differences_between(&wanted, &seen));
            self.sections.insert(section, seen);
        }
        if is_writing {
            self.write();
            return;
        }
        assert!(
            differences.is_empty(),
            "the posture is not that of {} (- as it must be, + as it is):\n{}\nIf that is meant, write the file anew with {WRITE}=1 and review the difference",
            self.path.display(),
            differences.join("\n")
        );
    }

    fn write(&self) {
        let mut text = String::new();
        for (section, facts) in &self.sections {
            if !section.is_empty() {
                text.push_str(&format!("\n[{section}]\n"));
            }
            for (key, value) in facts {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        fs::create_dir_all(self.path.parent().expect("a folder")).expect("a folder");
        fs::write(&self.path, text).expect("a golden file");
    }
}

fn differences_between(wanted: &Facts, seen: &Facts) -> Vec<String> {
    let keys: BTreeSet<&String> = wanted.keys().chain(seen.keys()).collect();
    let mut lines = Vec::new();
    for key in keys {
        let (must, is) = (wanted.get(key), seen.get(key));
        if must != is {
            lines.extend(must.map(|value| format!("- {key} = {value}")));
            lines.extend(is.map(|value| format!("+ {key} = {value}")));
        }
    }
    lines
}

/// Takes out of a posture what depends on the host or on chance.
fn portable(facts: Facts) -> Facts {
    let is_of_host = |key: &str| {
        let is_own = OF_THE_SANDBOX.iter().any(|own| key.starts_with(own));
        (key.starts_with("host ") && !is_own) || OF_THE_HOST.contains(&key)
    };
    let kept = facts.into_iter().filter(|(key, _)| !is_of_host(key));
    let facts = kept.map(|(key, value)| {
        let value = match key.as_str() {
            "Uid" | "Gid" | "Groups" | "init Uid" | "init Gid" | "init Groups" => whose(&value),
            // A link to `/proc/kcore`, where the kernel has one.
            "device links" => value.trim_start_matches("core ").to_owned(),
            _ if value.is_empty() => "-".to_owned(),
            _ => value,
        };
        (key, value)
    });
    facts.collect()
}

/// Returns whose an id is: those above 60,000 belong to no account (`UID_MAX` of login.defs(5)).
fn whose(ids: &str) -> String {
    let numbers: BTreeSet<Option<u32>> = ids.split(' ').map(|id| id.parse().ok()).collect();
    match numbers.iter().collect::<Vec<_>>().as_slice() {
        [Some(id)] if *id > 60_000 => "one that is no account's".to_owned(),
        _ => ids.to_owned(),
    }
}

/// Examines through Docker at `host` with `warren doctor --json`.
async fn examined(host: Option<&str>) -> Value {
    read(&doctor(host, &["--json"]).await)
}

fn read(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn posture(examined: &Value, language: &str) -> Facts {
    let facts = examined["languages"][language]["posture"].as_object();
    let facts = facts.unwrap_or_else(|| panic!("no posture of {language}: {examined:#}"));
    let facts = facts.iter().map(|(key, value)| {
        let value = value.as_str().expect("a text").to_owned();
        (key.clone(), value)
    });
    facts.collect()
}

/// Keeps the facts about system calls and their arguments: those that filters decide.
fn surface(facts: Facts) -> Facts {
    const GROUPS: [&str; 12] = [
        "call ",
        "clone ",
        "fcntl ",
        "ioctl ",
        "ioprio_set ",
        "mmap ",
        "personality ",
        "prctl ",
        "prlimit ",
        "sched_",
        "setpriority ",
        "setsockopt ",
    ];
    let mut kept = facts;
    kept.retain(|key, _| {
        let is_socket = key.starts_with("socket ") || key.starts_with("socketpair ");
        is_socket || GROUPS.iter().any(|group| key.starts_with(group))
    });
    kept
}

/// Gives a container root and every capability, and takes the engine's own filter off.
fn unconfined(configuration: &mut Value) {
    configuration["User"] = json!("0:0");
    let host = &mut configuration["HostConfig"];
    host["CapDrop"] = json!([]);
    host["CapAdd"] = json!(capabilities());
    host["SecurityOpt"] = json!(["seccomp=unconfined", "apparmor=unconfined"]);
}

/// The capabilities in the order of their numbers (capabilities(7)), up to the last one that Docker
/// 20.10 knows.
const CAPABILITIES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP \
    LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE \
    SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME \
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG \
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ";

/// Returns the capabilities that this process could have: on a machine that is itself confined, an
/// engine cannot give the others.
fn capabilities() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let bound = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bound = u64::from_str_radix(bound.expect("capabilities").trim(), 16);
    let bound = bound.expect("a number");
    let all = (0..).zip(CAPABILITIES.split(' '));
    let had = all.filter(|(number, _): &(u32, _)| bound >> number & 1 == 1);
    had.map(|(_, name)| name).collect()
}

/// Runs the posture as a container's only program, without the runner's confinement.
async fn bare(configuration: Value) -> Facts {
    let text = bare::run(configuration, &[RUNNER, "--posture"]).await;
    let facts = text.lines().filter_map(|line| line.split_once(" = "));
    let facts: Facts = facts
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    assert!(facts.len() > 400, "{text}");
    surface(facts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_of_each_language_has_the_posture_of_its_golden_file() {
    let _machine = machine::shared().await;
    let examined = examined(None).await;
    for language in ["javascript", "python"] {
        let seen = portable(posture(&examined, language));
        Golden::read(&format!("docker-{language}.txt")).settle(&seen, &Facts::new());
        assert_eq!(examined["languages"][language]["faults"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_native_engine_has_one_posture_whatever_rights_it_has() {
    let _machine = machine::shared().await;
    for (rights, namespace) in [("rootless", "its own"), ("root", "the host's")] {
        let variables = [("WARREN_NATIVE_RIGHTS", rights)];
        let examined = read(&doctor_on(Engine::Native, &variables, &["--json"]).await);
        for language in ["javascript", "python"] {
            let mut seen = portable(posture(&examined, language));
            let found = seen.remove("user namespace");
            assert_eq!(found.as_deref(), Some(namespace), "{rights}");
            Golden::read(&format!("native-{language}.txt")).settle(&seen, &Facts::new());
            assert_eq!(examined["languages"][language]["faults"], json!([]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_layer_refuses_alone_what_its_golden_file_says() {
    let _machine = machine::shared().await;
    let meddler = Meddler::start(unconfined).expect("a proxy");
    let of_filter = surface(posture(&examined(Some(&meddler.host())).await, "python"));

    let asked = meddler.asked().expect("a container was asked for");
    let mut none = asked.clone();
    unconfined(&mut none);
    let unfiltered = bare(none).await;
    let mut profile = asked.clone();
    unconfined(&mut profile);
    profile["HostConfig"]["SecurityOpt"] = asked["HostConfig"]["SecurityOpt"].clone();
    let of_profile = bare(profile).await;

    // Where nothing is in its way every call reaches the kernel, so that each refusal above is the
    // layer's, but for those of the kernel itself.
    let mut kernel = unfiltered;
    kernel.retain(|_, answer| answer != "reached");
    let surprising: Vec<&String> = kernel
        .keys()
        .filter(|key| !is_expected(key, &kernel))
        .collect();
    assert!(surprising.is_empty(), "refused by no layer: {surprising:?}");
    Golden::read("layer-filter.txt").settle(&of_filter, &kernel);
    Golden::read("layer-profile.txt").settle(&of_profile, &kernel);
}

/// Returns whether a kernel may refuse this to root: what it lacks, or what the machine's
/// administrator has turned off.
fn is_expected(key: &str, unfiltered: &Facts) -> bool {
    let answer = unfiltered[key].as_str();
    answer == "ENOSYS"
        || ["call number", "call of the", "call io_uring", "prctl set_"]
            .iter()
            .any(|lacked| key.starts_with(lacked))
        || (key.starts_with("socket") && answer != "EPERM")
}
