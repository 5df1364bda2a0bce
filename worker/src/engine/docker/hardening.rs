//! Makes a hardened container's configuration from a run's limits.
//!
//! One pure function, with every hardening that Warren relies on in one place.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use warren_protocol::limits::Limits;

use super::daemon::RuntimeName;
use super::seccomp;
use crate::engine::RUNNER;
use crate::engine::core::Core;

/// The directory that a job can write: a tmpfs, also its working directory and home.
pub const SCRATCH: &str = "/tmp";

/// The other one that it can write, a small tmpfs: the C library keeps POSIX semaphores and shared
/// memory there (shm_overview(7)), and without it Python's `multiprocessing` has no `Lock`, `Queue` or
/// `Pool`.
const SHARED_MEMORY: &str = "/dev/shm";

/// The user ids that containers run as, each container as another one.
pub use warren_rootfs::USERS as UIDS;

/// The most files and directories in the scratch directory. Empty ones take none of its bytes, but
/// cost the kernel memory and PID 1 the time to remove them.
const SCRATCH_FILES: u32 = 4_096;

/// The size of `/dev/shm` in bytes. What is in it counts as the container's memory, as any tmpfs.
const SHARED_MEMORY_BYTES: u32 = 4 << 20;

/// The most files there: a `multiprocessing.Pool` needs five, each `Lock` one.
const SHARED_MEMORY_FILES: u32 = 256;

/// The score by which a container's processes are likelier to be killed than the host's own when the
/// host runs out of memory.
const OOM_SCORE_ADJ: i64 = 500;

/// The length of the CPU quota's period: the kernel's default, in microseconds.
const CPU_PERIOD_US: i64 = 100_000;

/// The container's weight where it competes for its CPU: an eighth of the kernel's default of 1024, so
/// that the worker, the API and the broker win against a container that is in debt with its quota.
const CPU_SHARES: i64 = 128;

/// The paths that show or change the host, which no program needs: a file there is empty, a directory
/// empty and read-only. The first lines are those of Docker 28 (oci/defaults.go), which an older daemon
/// or another engine may lack.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    // Warren's own. Pseudoterminals and message queues are the machine's, and charged to nobody.
    "/dev/mqueue",
    "/dev/pts",
    // The host's kernel and its load, by which neighbours could tell when others run.
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/kallsyms",
    "/proc/modules",
    "/proc/pressure",
    "/proc/softirqs",
];

/// The paths that are read-only even for root: Docker's list (oci/defaults.go).
const READ_ONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The blueprint of a container.
pub struct Blueprint<'a> {
    /// The sandbox image.
    pub image: &'a str,
    /// The volume with the image's `/etc`.
    pub etc: &'a str,
    /// The runtime that makes it; `None` for the daemon's default.
    pub runtime: Option<&'a RuntimeName>,
    /// The user id that its processes run as, one of [`UIDS`].
    pub uid: u32,
    /// The one CPU that they run on.
    pub core: &'a Core,
    /// The limits that its processes are held to.
    pub limits: &'a Limits,
    /// The time after which PID 1 ends itself, in whole seconds from its start.
    pub max_life_s: u64,
    /// Its labels.
    pub labels: HashMap<String, String>,
}

/// Makes the configuration of a hardened container.
#[must_use]
pub fn harden(blueprint: Blueprint<'_>) -> ContainerCreateBody {
    let Blueprint {
        image,
        etc,
        runtime,
        uid,
        core,
        limits,
        max_life_s,
        labels,
    } = blueprint;
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![RUNNER.to_owned()]),
        cmd: Some(vec!["--max-life".to_owned(), max_life_s.to_string()]),
        user: Some(format!("{uid}:{uid}")),
        working_dir: Some(SCRATCH.to_owned()),
        hostname: Some("warren".to_owned()),
        labels: Some(labels),
        // The worker speaks to PID 1 over its standard streams. When the worker's end closes, for
        // any reason, PID 1 reads end of file and ends the container.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        // PID 1 ignores every other signal: an engine that stops would wait ten seconds for each.
        stop_signal: Some("SIGKILL".to_owned()),
        // Both: without the first, dockerd sets up a network namespace with a sandbox of its own,
        // for another 100 ms.
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            runtime: runtime.map(ToString::to_string),
            cpuset_cpus: Some(core.to_string()),
            mounts: Some(vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(etc.to_owned()),
                target: Some("/etc".to_owned()),
                read_only: Some(true),
                ..Mount::default()
            }]),
            ..host_config(limits)
        }),
        ..ContainerCreateBody::default()
    }
}

fn host_config(limits: &Limits) -> HostConfig {
    let memory = signed(limits.memory.get());
    HostConfig {
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("none".to_owned()),
        // Equal to memory: no swap on top. Unset, Docker would allow as much again.
        memory: Some(memory),
        memory_swap: Some(memory),
        oom_score_adj: Some(OOM_SCORE_ADJ),
        cpu_period: Some(CPU_PERIOD_US),
        cpu_quota: Some(CPU_PERIOD_US * i64::from(limits.cpu_percent) / 100),
        cpu_shares: Some(CPU_SHARES),
        pids_limit: Some(i64::from(limits.pids)),
        ulimits: Some(vec![
            ulimit("nofile", u64::from(limits.open_files)),
            ulimit("core", 1),
        ]),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([
            tmpfs(SCRATCH, limits.scratch.get(), SCRATCH_FILES),
            tmpfs(
                SHARED_MEMORY,
                u64::from(SHARED_MEMORY_BYTES),
                SHARED_MEMORY_FILES,
            ),
        ])),
        masked_paths: Some(owned(MASKED)),
        readonly_paths: Some(owned(READ_ONLY)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec![
            "no-new-privileges=true".to_owned(),
            format!("seccomp={}", seccomp::profile()),
        ]),
        privileged: Some(false),
        // The engine writes none of the streams' data to disk.
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        // The worker removes it itself, and must be able to ask before how it died.
        auto_remove: Some(false),
        ..HostConfig::default()
    }
}

/// Returns a mount that anybody may write to and nobody may execute from.
fn tmpfs(path: &str, bytes: u64, files: u32) -> (String, String) {
    let options = format!("rw,noexec,nosuid,nodev,size={bytes},nr_inodes={files},mode=1777");
    (path.to_owned(), options)
}

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

fn ulimit(name: &str, value: u64) -> ResourcesUlimits {
    let value = Some(signed(value));
    ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: value,
        hard: value,
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::core::Cores;

    #[test]
    fn every_limit_of_the_contract_is_in_the_configuration() {
        let limits = Limits::default();
        let cores = Cores::new(&"3".parse().unwrap(), 0);
        let core = cores.to_park();
        let body = harden(Blueprint {
            image: "x",
            etc: "x-etc",
            runtime: None,
            uid: 61_000,
            core: &core,
            limits: &limits,
            max_life_s: 9,
            labels: HashMap::new(),
        });
        assert_eq!(body.user.as_deref(), Some("61000:61000"));
        assert_eq!(body.network_disabled, Some(true));
        let host = body.host_config.unwrap();
        assert_eq!(host.memory, Some(256 * 1024 * 1024));
        assert_eq!(host.memory_swap, host.memory);
        assert_eq!(host.cpu_quota, Some(50_000));
        assert_eq!(host.cpu_period, Some(100_000));
        assert_eq!(host.cpuset_cpus.as_deref(), Some("3"));
        assert!(host.cpu_shares.is_some_and(|shares| shares < 512));
        assert_eq!(host.pids_limit, Some(50));
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.cap_add, None);
        let security = host.security_opt.unwrap();
        assert_eq!(security[0], "no-new-privileges=true");
        assert_eq!(security[1], format!("seccomp={}", seccomp::profile()));
        assert_eq!((security.len(), host.runtime), (2, None));
        assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
        let mounts = host.tmpfs.unwrap();
        assert_eq!(mounts.len(), 2);
        for (path, size, files) in [
            ("/tmp", "size=16777216", "nr_inodes=4096"),
            ("/dev/shm", "size=4194304", "nr_inodes=256"),
        ] {
            for option in ["noexec", "nosuid", "nodev", size, files] {
                let options = &mounts[path];
                assert!(
                    options.split(',').any(|o| o == option),
                    "{option} in {options} of {path}"
                );
            }
        }
        let core = host
            .ulimits
            .unwrap()
            .into_iter()
            .find(|u| u.name.as_deref() == Some("core"))
            .unwrap();
        assert_eq!((core.soft, core.hard), (Some(1), Some(1)));
        assert!(host.binds.is_none() && host.devices.is_none());
        let [etc] = &host.mounts.unwrap()[..] else {
            panic!("more than one mount");
        };
        assert_eq!(etc.typ, Some(MountType::VOLUME));
        assert_eq!(
            (etc.read_only, etc.target.as_deref()),
            (Some(true), Some("/etc"))
        );
    }

    /// The paths that Docker 28 hides (oci/defaults.go), by name, for comparison: an older daemon hides
    /// fewer. And those of Warren's own, some of which this machine's kernel may lack.
    const HIDDEN: &str = "
        /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats
        /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats
        /sys/devices/virtual/powercap /sys/firmware
        /dev/mqueue /dev/pts /proc/cmdline /proc/config.gz /proc/kallsyms /proc/modules
        /proc/pressure /proc/softirqs";

    /// Those that it makes read-only.
    const UNCHANGED: &str = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";

    #[test]
    fn paths_are_hidden_that_this_machine_may_not_have() {
        let host = host_config(&Limits::default());
        let masked = host.masked_paths.unwrap();
        let read_only = host.readonly_paths.unwrap();
        for (paths, wanted) in [(masked, HIDDEN), (read_only, UNCHANGED)] {
            for path in wanted.split_whitespace() {
                assert!(paths.iter().any(|one| one == path), "{path}");
            }
        }
    }
}
