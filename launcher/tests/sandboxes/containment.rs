//! The walls of a sandbox, from inside and from the host.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::RIGHTS;
use crate::harness::{Launcher, host};

/// The program that `tests/containment/limits.rs` runs in Docker's containers.
const PROBE: &str = include_str!("../../../tests/corpus/python/probe_containment.py");

#[test]
fn every_limit_is_effective_inside_a_sandbox() {
    for rights in RIGHTS {
        let launcher = Launcher::start(&["--rights", rights]);
        let mut sandbox = launcher.launch();
        let user = sandbox.user.to_string();
        let seen: Value = serde_json::from_str(&sandbox.output_of(PROBE)).expect("JSON");
        let is = |field: &str, expected: Value| {
            assert_eq!(seen[field], expected, "{rights}: {field} in {seen:#}");
        };
        is("uids", json!([user]));
        is("groups", json!([user]));
        is("capabilities", json!([""]));
        is("no_new_privs", json!("1"));
        is("seccomp", json!("2"));
        let refused = ["splice", "tee", "syncfs", "mlockall"].map(|call| (call, json!("EPERM")));
        is("profile", refused.into_iter().collect());
        is("memory", json!((256 << 20).to_string()));
        is("pids", json!("50"));
        match launcher.ready.cgroups {
            1 => {
                is("memory_and_swap_v1", json!((256 << 20).to_string()));
                is("cpu_quota_v1", json!("50000"));
                is("cpu_period_v1", json!("100000"));
            }
            _ => {
                is("swap_v2", json!("0"));
                is("cpu_v2", json!("50000 100000"));
            }
        }
        is("cpus", json!(1));
        is("oom_score_of_init", json!("500"));
        is("interfaces", json!(["lo"]));
        is("routes", json!([]));
        is("core", json!([1, 1]));
        is("open_files", json!([256, 256]));
        is("root_mount", json!("ro"));
        is("scratch_bytes", json!(16 << 20));
        is("shared_memory_bytes", json!(4 << 20));
        for mount in ["scratch_mount", "shared_memory_mount"] {
            let options = seen[mount].as_array().expect("options");
            for option in ["tmpfs", "rw", "noexec", "nosuid", "nodev"] {
                assert!(options.contains(&json!(option)), "{option} in {options:?}");
            }
        }
        is("scratch_files_end_with", json!("ENOSPC"));
        let files = seen["scratch_files"].as_u64();
        assert!(
            files.is_some_and(|n| (4_000..4_096).contains(&n)),
            "{seen:#}"
        );
        is("executes_scratch", json!("EACCES"));
        is("scratch_full", json!("ENOSPC"));
        is("creates_in", json!(["/dev/shm"]));
        is("unmasked", json!([]));
        is("not_read_only", json!([]));
        let count = |field: &str| seen[field].as_array().map_or(0, Vec::len);
        assert!(count("masked") > 8 && count("read_only") > 3, "{seen:#}");
        is("opens_terminal", json!("ENOENT"));
        is("proc_writable", json!([]));
        is("fork_fails_with", json!("EAGAIN"));
        let children = seen["children"].as_u64();
        assert!(children.is_some_and(|n| (40..50).contains(&n)), "{seen:#}");
    }
}

#[test]
fn nothing_of_the_launcher_leaks_into_a_sandbox() {
    const LOOK: &str = "
import os
print(sorted(int(fd) for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd)))
print(sorted(os.environ))
print(os.getppid(), len([p for p in os.listdir('/proc') if p.isdigit()]), os.uname().nodename)
print(open('/proc/self/cgroup').read().count('warren'), open('/proc/sys/kernel/domainname').read().strip())
";
    for rights in RIGHTS {
        let launcher = Launcher::start(&["--rights", rights]);
        let mut sandbox = launcher.launch();
        let [init] = host::children(launcher.template())[..] else {
            panic!("not one sandbox");
        };
        // PID 1 has its streams, and what the runner opened itself.
        let opened = fs::read_dir(format!("/proc/{init}/fd")).unwrap();
        let opened = opened.map(|fd| fs::read_link(fd.unwrap().path()).unwrap());
        let opened: BTreeSet<String> = opened.map(|it| it.display().to_string()).collect();
        for target in &opened {
            assert!(!target.starts_with("socket:"), "{rights}: {opened:?}");
            assert!(!target.contains("warren-test"), "{rights}: {opened:?}");
            // The harness has it open at every exec.
            assert!(!target.contains("/etc/hostname"), "{rights}: {opened:?}");
        }
        let environment = fs::read_to_string(format!("/proc/{init}/environ")).unwrap();
        let names: Vec<_> = environment
            .split_terminator('\0')
            .map(|it| it.split('=').next())
            .collect();
        assert_eq!(names, [Some("PATH"), Some("HOSTNAME"), Some("HOME")]);
        assert_eq!(
            fs::read_link(format!("/proc/{init}/cwd"))
                .unwrap()
                .as_os_str(),
            "/tmp"
        );
        // The harness ignores two signals, and lets everybody write to every new file.
        for pid in [launcher.process.id(), launcher.template()] {
            assert_eq!(
                host::status(pid, "SigIgn"),
                "0000000000001000",
                "SIGPIPE alone"
            );
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
            assert!(environment.iter().all(|byte| *byte == 0), "{environment:?}");
        }
        assert_eq!(host::status(init, "Umask"), "0022");
        // Its own filter, under the template's.
        let filters = |pid| host::status(pid, "Seccomp_filters").parse::<u32>().unwrap();
        assert_eq!(filters(init), filters(launcher.template()) + 1);
        let session = host::status(init, "NSsid");
        assert!(session.ends_with("\t1"), "a session of its own: {session}");
        // What it sees and what it is made of.
        for space in ["mnt", "pid", "ipc", "uts", "net", "cgroup"] {
            let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{space}")).unwrap();
            assert_ne!(of(&init.to_string()), of("self"), "{space}");
            assert_ne!(
                of(&init.to_string()),
                of(&launcher.template().to_string()),
                "{space}"
            );
        }
        let lines = sandbox.output_of(LOOK);
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines[0], "[0, 1, 2]", "{rights}");
        assert_eq!(lines[1], "['HOME', 'LANG', 'PATH', 'TMPDIR']", "{rights}");
        assert_eq!(lines[2], "1 2 warren", "{rights}");
        assert_eq!(lines[3], "0 (none)", "{rights}");
    }
}

#[test]
fn the_hosts_root_is_not_in_a_sandbox() {
    for rights in RIGHTS {
        let launcher = Launcher::start(&["--rights", rights]);
        let _sandbox = launcher.launch();
        let [init] = host::children(launcher.template())[..] else {
            panic!("not one sandbox");
        };
        let table = fs::read_to_string(format!("/proc/{init}/mountinfo")).unwrap();
        let mounts: Vec<(&str, &str)> = table
            .lines()
            .map(|line| {
                let fields: Vec<_> = line.split(' ').collect();
                (fields[3], fields[4])
            })
            .collect();
        // Of real file systems only the root, from its own directory, and the nodes of devices.
        let roots: Vec<_> = mounts.iter().filter(|(_, at)| *at == "/").collect();
        assert_eq!(roots.len(), 1, "{rights}: {table}");
        assert!(roots[0].0.ends_with("/root-python"), "{rights}: {table}");
        for (source, at) in &mounts {
            let is_known = ["/dev", "/proc", "/sys", "/tmp"].iter().any(|top| {
                at == top
                    || at
                        .strip_prefix(top)
                        .is_some_and(|rest| rest.starts_with('/'))
            });
            assert!(is_known || *at == "/", "{rights}: {source} on {at}");
        }
        // What each mount lets nobody do, whatever is on it.
        for line in table.lines() {
            let fields: Vec<_> = line.split(' ').collect();
            let (at, options) = (fields[4], fields[5].split(',').collect::<Vec<_>>());
            let is_node = at.starts_with("/dev/") && at != "/dev/shm";
            let is_device = is_node || fields[3] == "/null";
            let may_be_written = ["/proc", "/tmp", "/dev/shm"].contains(&at);
            assert!(options.contains(&"nosuid"), "{rights}: {line}");
            assert!(options.contains(&"noexec") || at == "/", "{rights}: {line}");
            assert!(
                options.contains(&"nodev") || at == "/dev" || is_device,
                "{rights}: {line}"
            );
            assert!(
                options.contains(&"ro") || may_be_written,
                "{rights}: {line}"
            );
        }
        // Shared with nobody: what is mounted on one side does not show on the other.
        assert!(
            !table.contains("shared:") && !table.contains("master:"),
            "{rights}: {table}"
        );
    }
}

#[test]
fn a_launcher_and_its_template_keep_no_more_than_they_need() {
    for rights in RIGHTS {
        let launcher = Launcher::start(&["--rights", rights]);
        let (parent, template) = (launcher.process.id(), launcher.template());
        for pid in [parent, template] {
            assert_eq!(host::status(pid, "Threads"), "1");
            // The launcher confines itself once its templates are there, which the worker learns first.
            host::until("it is confined", || host::status(pid, "Seccomp") == "2");
            assert_eq!(host::status(pid, "NoNewPrivs"), "1");
            assert_eq!(host::status(pid, "Groups"), "");
        }
        // The worker's socket, the standard streams, and what was named here.
        let sockets = |pid: u32| {
            let opened = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            let opened = opened.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
            opened
                .filter(|it| it.to_string_lossy().starts_with("socket:"))
                .count()
        };
        assert_eq!((sockets(parent), sockets(template)), (2, 1), "{rights}");
    }
}
