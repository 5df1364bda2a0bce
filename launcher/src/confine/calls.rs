//! The calls that the launcher and its templates make once they are set up.

use warren_bpf::{Answer, Comparison, Condition, Decision};

use crate::seccomp::calls::{Call, calls, calls_of_x86_64};
use crate::seccomp::program::{Decisions, each, sandbox};

/// The calls of a launcher that supervises.
const OF_LAUNCHER: &[Call] = calls![
    // Messages of the worker and of templates, over sockets that are there.
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_shutdown,
    // Their descriptors, control groups and /proc.
    SYS_close,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_fcntl,
    SYS_flock,
    SYS_fstat,
    SYS_fstatfs,
    SYS_getdents64,
    SYS_lseek,
    SYS_newfstatat,
    SYS_openat,
    SYS_pread64,
    SYS_read,
    SYS_readlinkat,
    SYS_readv,
    SYS_statx,
    SYS_unlinkat,
    SYS_write,
    SYS_writev,
    // Processes: waited for and killed, never made.
    SYS_kill,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_wait4,
    SYS_waitid,
    // Waiting, and time.
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_ppoll,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    // Memory, and the C library.
    SYS_brk,
    SYS_futex,
    SYS_getrandom,
    SYS_madvise,
    SYS_mremap,
    SYS_munmap,
    SYS_sched_yield,
    // Signals, and the end.
    SYS_exit,
    SYS_exit_group,
    SYS_getpid,
    SYS_gettid,
    SYS_restart_syscall,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_signalfd4,
    SYS_tgkill,
];

/// Older calls for the same, by which the C libraries do it on x86_64.
const OF_LAUNCHER_ON_X86_64: &[Call] = calls_of_x86_64![
    SYS_access,
    SYS_lstat,
    SYS_open,
    SYS_poll,
    SYS_readlink,
    SYS_rmdir,
    SYS_stat,
    SYS_unlink,
];

/// Memory that is made executable: code comes with exec alone.
const MEMORY: &[Call] = calls![SYS_mmap, SYS_mprotect];

/// The calls of a template and of its children before their own filter, beyond a sandbox's.
const OF_TEMPLATE: &[Call] = calls![
    // Its flags lie in memory, so a filter sees none. It is the only call that can make a process in its
    // control group.
    SYS_clone3,
    SYS_mount,
    SYS_umount2,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_setgroups,
    SYS_setresgid,
    SYS_setresuid,
    SYS_capset,
];

/// Calls that make namespaces, by flags in the first argument.
const NAMESPACES: &[Call] = calls![SYS_clone, SYS_unshare];

/// A new user namespace would have every capability in it.
const NEW_USER: u64 = 0x1000_0000;
/// Network namespaces are the only ones that a sandbox joins.
const NEW_NET: u64 = 0x4000_0000;
const EXECUTABLE: u64 = 4;

const ALLOW: Decision = Decision::Always(Answer::Allow);

/// Returns the decisions about a launcher's calls.
pub(super) fn of_launcher() -> Decisions {
    let mut decisions = Decisions::new();
    decisions.extend(each(OF_LAUNCHER, ALLOW));
    decisions.extend(each(OF_LAUNCHER_ON_X86_64, ALLOW));
    let no_code = on(2, Comparison::Without(EXECUTABLE));
    decisions.extend(each(MEMORY, no_code));
    decisions
}

/// Returns the decisions about the calls of a template and its children. All that a sandbox may call
/// is allowed, since both filters hold for it.
pub(super) fn of_template() -> Decisions {
    let mut decisions = sandbox();
    decisions.extend(each(OF_TEMPLATE, ALLOW));
    let not_of_users = on(0, Comparison::Without(NEW_USER));
    decisions.extend(each(NAMESPACES, not_of_users));
    let of_networks = on(1, Comparison::OneOf(&[NEW_NET]));
    decisions.extend(each(calls![SYS_setns], of_networks));
    decisions
}

fn on(argument: u8, is: Comparison) -> Decision {
    Decision::AllowedIf(Condition { argument, is })
}
