//! The calls that are refused by their arguments.

use super::conditions::{has_flag, is, is_given, none_of, one_of};
use super::tables::Rules;

/// The namespaces that `clone` could make.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The `prctl` options that programs use. Others give a further filter (`PR_SET_SECCOMP`), a core
/// for oneself (`PR_SCHED_CORE`), or names for mappings in memory that no container is charged for
/// (`PR_SET_VMA`).
const PRCTL: [i32; 16] = [
    libc::PR_SET_PDEATHSIG,
    libc::PR_GET_PDEATHSIG,
    libc::PR_GET_DUMPABLE,
    libc::PR_SET_DUMPABLE,
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_GET_SECCOMP,
    libc::PR_CAPBSET_READ,
    libc::PR_SET_TIMERSLACK,
    libc::PR_GET_TIMERSLACK,
    libc::PR_SET_CHILD_SUBREAPER,
    libc::PR_GET_CHILD_SUBREAPER,
    libc::PR_SET_NO_NEW_PRIVS,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_SET_THP_DISABLE,
    libc::PR_GET_THP_DISABLE,
];

/// The `ioctl` requests that programs make of pipes, sockets, files and a terminal that is not
/// there. Each driver has its own others, and some load kernel modules (`TIOCSETD`).
///
/// The kernel compares the lower 32 bits only, and so does the filter.
const IOCTL: [i32; 13] = [
    0x5401,                 // TCGETS
    0x5402,                 // TCSETS
    0x5403,                 // TCSETSW
    0x5404,                 // TCSETSF
    0x802c_542a_u32 as i32, // TCGETS2
    0x540f,                 // TIOCGPGRP
    0x5413,                 // TIOCGWINSZ
    0x541b,                 // FIONREAD
    0x5421,                 // FIONBIO
    0x5450,                 // FIONCLEX
    0x5451,                 // FIOCLEX
    0x5452,                 // FIOASYNC
    0x5411,                 // TIOCOUTQ
];

/// `fcntl` commands that lock records of a file: `F_SETLK` and `F_SETLKW`.
const FCNTL_LOCKS: [i32; 2] = [libc::F_SETLK, libc::F_SETLKW];

/// `fcntl` commands that make the kernel keep something for a file and send signals about it:
/// `F_SETLEASE`, `F_NOTIFY`, `F_SETDELEG`. And locks of open files (`F_OFD_SETLK`, `F_OFD_SETLKW`),
/// which nobody uses and which cannot be counted by container.
const FCNTL_FORBIDDEN: [i32; 5] = [1024, 1026, 1040, 37, 38];

const IOPRIO_WHO_PROCESS: i32 = 1;
/// `RLIMIT_CORE`, `PRIO_PROCESS`: the C libraries do not agree on these constants' types.
const RLIMIT_CORE: i32 = 4;
const PRIO_PROCESS: i32 = 0;

/// Returns the calls that PID 1 is asked about.
pub(super) fn locks() -> Rules {
    Rules::from([(libc::SYS_fcntl, one_of(1, &FCNTL_LOCKS))])
}

/// Answered with "not permitted".
pub(super) fn forbidden() -> Rules {
    let mut rules = Rules::new();
    let namespaces = NAMESPACES.iter().map(|flag| vec![has_flag(0, *flag)]);
    rules.insert(libc::SYS_clone, namespaces.collect());
    rules.insert(libc::SYS_prctl, vec![none_of(0, &PRCTL)]);
    rules.insert(libc::SYS_ioctl, vec![none_of(1, &IOCTL)]);
    rules.insert(libc::SYS_fcntl, one_of(1, &FCNTL_FORBIDDEN));
    // Huge pages are the host's, past the container's memory limit.
    let huge = vec![vec![has_flag(3, libc::MAP_HUGETLB)]];
    rules.insert(libc::SYS_mmap, huge);
    // The query (all bits set) and the ordinary personality are fine.
    rules.insert(libc::SYS_personality, vec![none_of(0, &[0, -1])]);
    rules.extend(of_others());
    rules
}

/// Refuses changes to other processes, and to one's own limit of core files.
///
/// PID 1 and every program share one user id. Without these rules a program could give PID 1 a CPU
/// limit, at which the kernel kills it, or the lowest priority. A process may do such things to
/// itself: it is number 0.
fn of_others() -> Rules {
    let mut rules = Rules::new();
    let others = vec![none_of(0, &[0])];
    for call in [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        rules.insert(call, others.clone());
    }
    let mut limits_of_others = none_of(0, &[0]);
    limits_of_others.push(is_given(2));
    // Any other value than the one that `launch` sets would let the host's handler of crashes run.
    let core = vec![is(1, RLIMIT_CORE), is_given(2)];
    let limits = vec![limits_of_others, core];
    rules.insert(libc::SYS_prlimit64, limits);
    rules.insert(libc::SYS_setrlimit, one_of(0, &[RLIMIT_CORE]));
    for (call, process) in [
        (libc::SYS_setpriority, PRIO_PROCESS),
        (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS),
    ] {
        let kinds = none_of(0, &[process]);
        let ids = none_of(1, &[0]);
        rules.insert(call, vec![kinds, ids]);
    }
    rules
}
