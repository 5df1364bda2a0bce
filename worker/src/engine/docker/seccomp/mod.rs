//! The seccomp profile: the system calls that a container may make.
//!
//! The list is stricter than Docker's default. It is for one table of calls instead of three, since
//! the runtime compiles it again for each container. Arguments are checked mainly by the runner's
//! filter, which is applied to programs on top. The profile relies on `no-new-privileges`: only
//! with it does the runtime load the profile after it has changed users, which the profile does not
//! allow.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// The calls of interpreters, the C libraries (glibc and musl), the runner, and the container
/// runtime's last steps, on every architecture.
const EVERYWHERE: &[&str] = &[
    // Files.
    "chdir",
    "close",
    "close_range",
    "copy_file_range",
    "dup",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fcntl",
    "fdatasync",
    "fgetxattr",
    "flistxattr",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getcwd",
    "getdents64",
    "getxattr",
    "ioctl",
    "lgetxattr",
    "linkat",
    "listxattr",
    "llistxattr",
    "lseek",
    "mkdirat",
    // Without the capability for devices: named pipes.
    "mknodat",
    "newfstatat",
    "openat",
    "openat2",
    "pipe2",
    "pread64",
    "preadv",
    "preadv2",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "read",
    "readlinkat",
    "readv",
    "renameat",
    "renameat2",
    "sendfile",
    "statfs",
    "statx",
    "symlinkat",
    "truncate",
    "umask",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
    // Memory.
    "brk",
    "madvise",
    "membarrier",
    "mlock",
    "mlock2",
    "mmap",
    "mprotect",
    "mremap",
    "msync",
    "munlock",
    "munmap",
    // Processes and threads.
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "futex",
    "getpgid",
    "getpid",
    "getppid",
    "getpriority",
    "getrusage",
    "getsid",
    "gettid",
    "kill",
    "pidfd_open",
    "pidfd_send_signal",
    "prctl",
    "prlimit64",
    "rseq",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_setaffinity",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    // The runner's own confinement of programs, which forbids them another one.
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "seccomp",
    "set_robust_list",
    "set_tid_address",
    "setpgid",
    "setpriority",
    "setsid",
    "tgkill",
    "tkill",
    "wait4",
    "waitid",
    // Identity. Without capabilities no process can become another user.
    "capget",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getresgid",
    "getresuid",
    "getuid",
    // Signals.
    "restart_syscall",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_tgsigqueueinfo",
    "sigaltstack",
    "signalfd4",
    // Time.
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "getitimer",
    "gettimeofday",
    "nanosleep",
    "setitimer",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_settime",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "times",
    // Waiting for many things.
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "ppoll",
    "pselect6",
    // Existing sockets (see `FAMILIES`).
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    // The machine.
    "getcpu",
    "getrandom",
    "sysinfo",
    "uname",
];

/// Older calls that newer architectures lack: musl and Go still use them on x86_64.
const ON_X86_64: &[&str] = &[
    "access",
    "alarm",
    "arch_prctl",
    "chmod",
    "chown",
    "creat",
    "dup2",
    "epoll_create",
    "epoll_wait",
    "eventfd",
    "fork",
    "futimesat",
    "getdents",
    "getpgrp",
    "getrlimit",
    "lchown",
    "link",
    "lstat",
    "mkdir",
    "mknod",
    "open",
    "pause",
    "pipe",
    "poll",
    "readlink",
    "rename",
    "rmdir",
    "select",
    "setrlimit",
    "signalfd",
    "stat",
    "symlink",
    "time",
    "unlink",
    "utime",
    "utimes",
    "vfork",
];

/// `clone` with any of these flags makes a namespace: mounts, control groups, host name, IPC,
/// users, processes, network.
const NAMESPACES: u64 = 0x7e02_0000;

/// Unix, IPv4 and IPv6 (which find no network). The kernel has dozens of others.
const FAMILIES: [u64; 3] = [1, 2, 10];

/// The ordinary personality, and the question which one it is.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

const NO_SUCH_CALL: u64 = 38;

/// Returns the profile in Docker's format, as the value of a security option.
pub(super) fn profile() -> &'static str {
    static PROFILE: LazyLock<String> = LazyLock::new(|| build().to_string());
    &PROFILE
}

fn build() -> Value {
    let mut calls = vec![
        json!({ "names": EVERYWHERE, "action": ALLOW }),
        json!({ "names": ON_X86_64, "action": ALLOW, "includes": { "arches": ["amd64"] } }),
        json!({
            "names": ["clone"], "action": ALLOW,
            "args": [{ "index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }],
        }),
        // Its flags lie in memory, where no filter can see them; libc falls back to `clone`.
        json!({ "names": ["clone3"], "action": REFUSE, "errnoRet": NO_SUCH_CALL }),
        when_first_is("socketpair", FAMILIES[0]),
    ];
    calls.extend(FAMILIES.map(|family| when_first_is("socket", family)));
    calls.extend(PERSONALITIES.map(|which| when_first_is("personality", which)));
    json!({
        "defaultAction": REFUSE,
        // One table each, without the 32-bit and x32 ones that Docker's default adds: a call by
        // another table ends its caller.
        "archMap": [
            { "architecture": "SCMP_ARCH_X86_64" },
            { "architecture": "SCMP_ARCH_AARCH64" },
        ],
        "syscalls": calls,
    })
}

const ALLOW: &str = "SCMP_ACT_ALLOW";
/// "Not permitted", unless another answer is given.
const REFUSE: &str = "SCMP_ACT_ERRNO";

fn when_first_is(call: &str, value: u64) -> Value {
    json!({
        "names": [call], "action": ALLOW,
        "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }],
    })
}

#[cfg(test)]
mod tests;
