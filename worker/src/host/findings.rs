//! The findings, each a pure function of what was read.

use warren_protocol::limits::Limits;
use warren_protocol::outcome::EngineName;

use super::finding::{Finding, Severity};
use super::names::{NAMES, names_of};
use super::version::Version;
use crate::engine::EngineHost;
use crate::posture::Posture;

/// The least limit of compiled filters, in bytes: a container's take some 50 KB, for a thousand. Past it
/// the kernel compiles no more for whoever is not root (Documentation/admin-guide/sysctl/net.rst), and
/// the runtime cannot load a container's filter: "errno 524" (moby 45498, amazon-eks-ami 1179).
const LEAST_JIT: u64 = 64 << 20;

/// The oldest kernel that is still maintained (kernel.org/releases.html, *Longterm release kernels*): 5.10
/// and 5.15 until December 2026, then 6.1.
const OLDEST_KERNEL: [u32; 2] = [5, 10];

/// The first runc without CVE-2025-31133, -52565 and -52881: breaking out by a race at the start
/// (runc's advisories GHSA-9493-h29p-rfm2, GHSA-qw9x-cqr3-wc7r and GHSA-cgrx-mc8f-2prm, and its
/// CHANGELOG). Also without CVE-2024-21626, which 1.1.12 closes. CVE-2026-41579 (1.3.6, 1.4.3) needs a
/// hostile image, so it does not count here.
const SAFE_RUNC: [u32; 3] = [1, 2, 8];
/// The same of the branch 1.3.
const SAFE_RUNC_1_3: [u32; 3] = [1, 3, 3];
/// The versions before the first safe one of the branch 1.4, which is its third candidate.
const UNSAFE_RUNC_1_4: [&str; 2] = ["1.4.0-rc.1", "1.4.0-rc.2"];

/// The oldest Docker with fixes of its authors (moby, `project/BRANCHES-AND-TAGS.md`): 28 got its last
/// in May 2026 (moby 52625). The only older branch with fixes was 25.0, until 2026-12-04 (moby 51660).
const OLDEST_DOCKER: [u32; 1] = [29];

/// The inputs to the findings.
pub(crate) struct Seen<'a> {
    pub(crate) posture: &'a Posture,
    pub(crate) engine: &'a EngineHost,
    /// The host's `net.core.bpf_jit_limit`, which containers do not see; `None` if the worker does
    /// not either.
    pub(crate) jit_limit: Option<u64>,
    /// The worker's slots.
    pub(crate) slots: u16,
}

/// Returns the findings on a host of this engine, in the order of [`NAMES`].
pub(crate) fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let all: [fn(&Seen<'_>) -> Judgement; NAMES.len()] = [
        bpf_jit_limit,
        capacity,
        cgroup_version,
        core_pattern,
        cpu_vulnerabilities,
        docker_version,
        huge_pages,
        kernel_version,
        landlock,
        launcher_rights,
        line_disciplines,
        mandatory_access_control,
        runc_version,
        same_page_merging,
        simultaneous_multithreading,
        swap,
        user_namespaces,
    ];
    let named = NAMES.into_iter().zip(all);
    let own: Vec<&str> = names_of(seen.engine.name).collect();
    named
        .filter(|(name, _)| own.contains(name))
        .map(|(name, find)| (name, find(seen)))
        .map(|(name, (severity, says, remedy))| Finding {
            name,
            severity,
            says,
            remedy: if severity == Severity::Ok { "" } else { remedy },
        })
        .collect()
}

/// A finding without its name: weight, sentence, remedy.
type Judgement = (Severity, String, &'static str);

impl Seen<'_> {
    fn host(&self, name: &str) -> &str {
        self.posture.fact(&format!("host {name}"))
    }

    /// Returns the weight of a host's setting that programs may use if this fact is `reached`.
    fn if_reached(&self, fact: &str) -> Severity {
        if self.posture.fact(fact) == "reached" {
            Severity::Degraded
        } else {
            Severity::Advice
        }
    }
}

fn bpf_jit_limit(seen: &Seen<'_>) -> Judgement {
    let remedy = "set net.core.bpf_jit_limit to 268435456 or more (sysctl.d(5))";
    match seen.jit_limit {
        None => (
            Severity::Ok,
            "the limit of compiled filters cannot be read from here".to_owned(),
            remedy,
        ),
        Some(limit) if limit < LEAST_JIT => (
            seen.if_reached("setsockopt attach_filter"),
            format!(
                "compiled filters of the whole host may take {limit} bytes, which some hundred sandboxes use up"
            ),
            remedy,
        ),
        Some(limit) => (
            Severity::Ok,
            format!("compiled filters may take {limit} bytes"),
            remedy,
        ),
    }
}

fn capacity(seen: &Seen<'_>) -> Judgement {
    let (cores, memory) = (seen.engine.cores, seen.engine.memory);
    let needed = Limits::default().memory.get() * u64::from(seen.slots);
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let says = format!(
        "{cores} cores and {} for {} slots, whose programs may use {}",
        gib(memory),
        seen.slots,
        gib(needed)
    );
    let severity = if needed > memory || u64::from(seen.slots) > cores * 4 {
        Severity::Advice
    } else {
        Severity::Ok
    };
    let remedy = "set WARREN_SLOTS to two a core, and so that the slots' memory is there";
    (severity, says, remedy)
}

fn cgroup_version(seen: &Seen<'_>) -> Judgement {
    match seen.posture.fact("cgroup version") {
        "2" => (Severity::Ok, "control groups are of version 2".to_owned(), ""),
        _ => (
            Severity::Degraded,
            "control groups are of version 1, which counts less of what a program holds in the kernel, such as the buffers of sockets"
                .to_owned(),
            "start the host with systemd.unified_cgroup_hierarchy=1, or choose a newer distribution",
        ),
    }
}

fn core_pattern(seen: &Seen<'_>) -> Judgement {
    let remedy = "set kernel.core_pattern to a file name (`sysctl -w kernel.core_pattern=core`), and disable the service that sets it (apport, systemd-coredump, abrt)";
    let pattern = seen.host("core_pattern");
    let Some(handler) = pattern.strip_prefix('|') else {
        let says = format!("core files go to `{pattern}`, and programs may leave none");
        return (Severity::Ok, says, remedy);
    };
    let handler = handler.split(' ').next().unwrap_or_default();
    // A limit of one byte is the only one that keeps the kernel from starting a handler (core(5)).
    if seen.posture.fact("limit of core file size") == "1 1" {
        let says = format!(
            "the host has a handler of core files ({handler}), which a program's crash does not start"
        );
        return (Severity::Advice, says, remedy);
    }
    let says = format!(
        "each program that crashes starts {handler} on the host, as root and outside of all limits"
    );
    (Severity::Degraded, says, remedy)
}

fn cpu_vulnerabilities(seen: &Seen<'_>) -> Judgement {
    let remedy = "update kernel and microcode, and start the kernel without mitigations=off";
    match seen.host("vulnerable") {
        "" => (
            Severity::Ok,
            "the kernel knows no weakness of this CPU that it does not mitigate".to_owned(),
            remedy,
        ),
        names => (
            Severity::Advice,
            format!("the kernel mitigates these weaknesses of the CPU not at all: {names}"),
            remedy,
        ),
    }
}

fn docker_version(seen: &Seen<'_>) -> Judgement {
    let text = &seen.engine.version;
    let remedy = "update Docker";
    match Version::parse(text) {
        Some(version) if version.is_before(&OLDEST_DOCKER) => (
            Severity::Advice,
            format!("Docker {text} gets no fixes from its authors any more"),
            remedy,
        ),
        _ => (Severity::Ok, format!("Docker {text}"), remedy),
    }
}

fn huge_pages(seen: &Seen<'_>) -> Judgement {
    let remedy = "set vm.nr_hugepages to 0, and take hugepages= off the kernel's command line";
    match seen.host("huge_pages") {
        "0" | "" | "unreadable" => (
            Severity::Ok,
            "the host reserves no huge pages".to_owned(),
            remedy,
        ),
        pages => (
            seen.if_reached("mmap hugetlb"),
            format!("the host reserves {pages} huge pages, which count against no memory limit"),
            remedy,
        ),
    }
}

fn kernel_version(seen: &Seen<'_>) -> Judgement {
    let text = seen.host("kernel");
    let remedy = "update the kernel to one that is maintained";
    match Version::parse(text) {
        Some(version) if version.is_before(&OLDEST_KERNEL) => (
            Severity::Degraded,
            format!("Linux {text} is maintained no more: the sandbox is no better than its kernel"),
            remedy,
        ),
        _ => (Severity::Ok, format!("Linux {text}"), remedy),
    }
}

fn landlock(seen: &Seen<'_>) -> Judgement {
    match seen.host("landlock") {
        "absent" | "1" => (
            Severity::Degraded,
            "the kernel has no usable Landlock, which keeps programs from files that they have no use for"
                .to_owned(),
            "choose a kernel from 5.19 on, built with it, and add landlock to lsm= on its command line",
        ),
        version => (
            Severity::Ok,
            format!("Landlock is there (interface {version})"),
            "",
        ),
    }
}

fn launcher_rights(seen: &Seen<'_>) -> Judgement {
    if seen.engine.has("rootless") {
        let says = "the launcher is root in a user namespace alone, and nobody on the host";
        return (Severity::Ok, says.to_owned(), "");
    }
    (
        Severity::Advice,
        "the launcher is root on the host: what takes it over has the host".to_owned(),
        "run the worker as a user with subordinate ids and a delegated control group, or set WARREN_NATIVE_RIGHTS to rootless",
    )
}

fn line_disciplines(seen: &Seen<'_>) -> Judgement {
    let remedy = "set dev.tty.ldisc_autoload to 0";
    match seen.host("ldisc_autoload") {
        "1" => (
            seen.if_reached("ioctl tiocsetd"),
            "the kernel loads line disciplines, old drivers with many faults, for whoever asks"
                .to_owned(),
            remedy,
        ),
        _ => (
            Severity::Ok,
            "the kernel loads line disciplines only for root".to_owned(),
            remedy,
        ),
    }
}

fn mandatory_access_control(seen: &Seen<'_>) -> Judgement {
    let known = ["apparmor", "selinux"];
    if seen.engine.name == EngineName::Native {
        return (
            Severity::Advice,
            "the native engine's containers have no profile of AppArmor or SELinux: one layer less, which Warren does not count on"
                .to_owned(),
            "choose Docker (WARREN_ENGINE=docker) where that layer is wanted",
        );
    }
    match known.into_iter().find(|name| seen.engine.has(name)) {
        Some(name) => (Severity::Ok, format!("Docker confines containers by {name}, too"), ""),
        None => (
            Severity::Advice,
            "neither AppArmor nor SELinux confines containers: one layer less, which Warren does not count on"
                .to_owned(),
            "enable AppArmor or SELinux in the kernel and in Docker",
        ),
    }
}

fn runc_version(seen: &Seen<'_>) -> Judgement {
    let Some(text) = &seen.engine.runc else {
        return (Severity::Ok, "the engine names no runc".to_owned(), "");
    };
    let remedy = "update runc to 1.2.8, 1.3.3 or later, or to your distribution's latest";
    let Some(version) = Version::parse(text) else {
        return (Severity::Ok, format!("runc {text}"), remedy);
    };
    let is_of_1_3 = !version.is_before(&[1, 3]) && version.is_before(&[1, 4]);
    let safe = if is_of_1_3 { SAFE_RUNC_1_3 } else { SAFE_RUNC };
    let is_candidate = UNSAFE_RUNC_1_4.iter().any(|one| text.starts_with(one));
    if !version.is_before(&safe) && !is_candidate {
        return (Severity::Ok, format!("runc {text}"), remedy);
    }
    if version.patched {
        let says =
            format!("runc {text} has known ways out, unless your distribution has closed them");
        return (Severity::Advice, says, remedy);
    }
    (
        Severity::Degraded,
        format!("runc {text} has known ways out"),
        remedy,
    )
}

fn same_page_merging(seen: &Seen<'_>) -> Judgement {
    let remedy = "set /sys/kernel/mm/ksm/run to 0";
    match seen.host("ksm") {
        "1" => (
            Severity::Advice,
            "the kernel merges equal pages of different processes, by which one can tell what another holds"
                .to_owned(),
            remedy,
        ),
        _ => (Severity::Ok, "pages of different processes are not merged".to_owned(), remedy),
    }
}

fn simultaneous_multithreading(seen: &Seen<'_>) -> Judgement {
    match seen.host("smt") {
        "1" => (
            Severity::Advice,
            "two sandboxes may share a core's caches, by which one can tell what the other does"
                .to_owned(),
            "start the kernel with nosmt if your callers must not learn anything of one another",
        ),
        _ => (Severity::Ok, "no two threads share a core".to_owned(), ""),
    }
}

fn swap(seen: &Seen<'_>) -> Judgement {
    match seen.host("swap") {
        "0 kB" | "" | "unreadable" => (Severity::Ok, "the host does not swap".to_owned(), ""),
        size => (
            Severity::Advice,
            format!(
                "the host swaps ({size}): other processes' memory may reach the disk, and slow everything"
            ),
            "turn swap off on hosts that only run workers",
        ),
    }
}

fn user_namespaces(seen: &Seen<'_>) -> Judgement {
    let remapped = ["rootless", "userns"]
        .into_iter()
        .find(|name| seen.engine.has(name));
    match remapped {
        Some("rootless") if seen.engine.name == EngineName::Native => (
            Severity::Ok,
            "users of containers are nobody on the host, each sandbox another one".to_owned(),
            "",
        ),
        None => (
            Severity::Ok,
            "users of containers are users of the host, each sandbox another one".to_owned(),
            "",
        ),
        Some(name) => (
            Severity::Advice,
            format!("Docker maps users ({name}), which Warren is not tested with"),
            "see that `warren doctor` finds nothing else, or run Docker without it",
        ),
    }
}
