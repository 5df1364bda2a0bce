//! The paths of `/proc` that a sandbox must not see or change.

use std::ffi::CStr;

/// An empty file that has no content and keeps none.
pub(super) const EMPTY_FILE: &CStr = c"/dev/null";

/// A directory of the template that is empty and read-only, until the scratch directory covers it.
pub(crate) const EMPTY_DIRECTORY: &CStr = c"/tmp";

/// A path of the kernel's to be masked.
pub(super) enum Masked {
    File(&'static CStr),
    Directory(&'static CStr),
}

/// The paths that show the host, which no program needs: each is empty in a sandbox. The first lines are
/// those of Docker 28 (oci/defaults.go), the last ones Warren's own: the host's kernel and its load, by
/// which neighbours could tell when others run. Those of `/sys` are the template's.
pub(super) const MASKED: [Masked; 16] = [
    Masked::Directory(c"/proc/acpi"),
    Masked::Directory(c"/proc/asound"),
    Masked::File(c"/proc/interrupts"),
    Masked::File(c"/proc/kcore"),
    Masked::File(c"/proc/keys"),
    Masked::File(c"/proc/latency_stats"),
    Masked::File(c"/proc/sched_debug"),
    Masked::Directory(c"/proc/scsi"),
    Masked::File(c"/proc/timer_list"),
    Masked::File(c"/proc/timer_stats"),
    Masked::File(c"/proc/cmdline"),
    Masked::File(c"/proc/config.gz"),
    Masked::File(c"/proc/kallsyms"),
    Masked::File(c"/proc/modules"),
    Masked::Directory(c"/proc/pressure"),
    Masked::File(c"/proc/softirqs"),
];

/// The paths that are read-only even for root: Docker's list (oci/defaults.go).
pub(super) const READ_ONLY: [&CStr; 5] = [
    c"/proc/bus",
    c"/proc/fs",
    c"/proc/irq",
    c"/proc/sys",
    c"/proc/sysrq-trigger",
];
