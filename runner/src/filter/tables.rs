//! The refused system calls, by the answer that a program gets.

use std::collections::BTreeMap;

use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// Each system call with the conditions under which it is refused; without one, it always is.
pub(super) type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that are answered with "no such call", so that libraries fall back to others.
const MISSING: &[i64] = &[
    // Its arguments lie in memory, where a filter cannot see the namespace flags; libc falls back
    // to `clone`.
    libc::SYS_clone3,
    // A second system-call interface, past this filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Contexts are counted for the whole machine.
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
    libc::SYS_io_getevents,
    // System V and POSIX objects outlive the process that made them.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Memory without an owner, which the memory killer does not find, and a way to execute files
    // although the scratch directory forbids it.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
];

/// Answered with "not permitted".
const FORBIDDEN: &[i64] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Kernel surface for exploits.
    libc::SYS_userfaultfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_seccomp,
    // Keys are kept by user id, across containers.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // So are watches.
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    // The machine itself.
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
];

/// Further calls that only x86_64 has.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[i64] = &[
    libc::SYS_inotify_init,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
];
#[cfg(target_arch = "aarch64")]
const FORBIDDEN_HERE: &[i64] = &[libc::SYS_kexec_file_load];

/// The namespaces that `clone` could make.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// `prctl` options: a further filter, and a share of a core for oneself.
const PRCTL_FORBIDDEN: [i32; 2] = [libc::PR_SET_SECCOMP, libc::PR_SCHED_CORE];

const IOPRIO_WHO_PROCESS: i32 = 1;

pub(super) fn missing() -> Rules {
    always(MISSING)
}

/// Refuses sockets other than local and internet ones (which find no network): the kernel has
/// dozens of families, loaded on demand.
pub(super) fn families() -> Result<Rules, BackendError> {
    let known = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    Ok(Rules::from([
        (libc::SYS_socket, vec![rule(none_of(0, &known)?)?]),
        (
            libc::SYS_socketpair,
            vec![rule(none_of(0, &[libc::AF_UNIX])?)?],
        ),
    ]))
}

/// Refuses internet sockets other than TCP and UDP.
pub(super) fn protocols() -> Result<Rules, BackendError> {
    let mut conditions = none_of(0, &[libc::AF_UNIX])?;
    let known = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP];
    conditions.extend(none_of(2, &known)?);
    Ok(Rules::from([(libc::SYS_socket, vec![rule(conditions)?])]))
}

pub(super) fn forbidden() -> Result<Rules, BackendError> {
    let mut rules = always(FORBIDDEN);
    rules.extend(always(FORBIDDEN_HERE));

    let namespaces = NAMESPACES.into_iter().map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        let is_set = SeccompCmpOp::MaskedEq(flag);
        rule(vec![SeccompCondition::new(
            0,
            SeccompCmpArgLen::Qword,
            is_set,
            flag,
        )?])
    });
    rules.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);

    let options = PRCTL_FORBIDDEN.into_iter().map(|option| {
        let option = u64::from(option.unsigned_abs());
        let equal = SeccompCmpOp::Eq;
        rule(vec![SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            equal,
            option,
        )?])
    });
    rules.insert(libc::SYS_prctl, options.collect::<Result<_, _>>()?);

    // PID 1 and every program share one user id. Without these rules a program could give PID 1 a
    // CPU limit, at which the kernel kills it, or the lowest priority. A process may do such things
    // to itself: it is number 0.
    let others = vec![rule(none_of(0, &[0])?)?];
    for call in [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        rules.insert(call, others.clone());
    }
    let mut limits_of_others = none_of(0, &[0])?;
    limits_of_others.push(is_given(2)?);
    rules.insert(libc::SYS_prlimit64, vec![rule(limits_of_others)?]);
    for (call, process) in [
        (
            libc::SYS_setpriority,
            i32::try_from(libc::PRIO_PROCESS).unwrap_or(0),
        ),
        (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS),
    ] {
        let kinds = rule(none_of(0, &[process])?)?;
        let ids = rule(none_of(1, &[0])?)?;
        rules.insert(call, vec![kinds, ids]);
    }

    // The query (all bits set) and the ordinary personality are fine.
    rules.insert(libc::SYS_personality, vec![rule(none_of(0, &[0, -1])?)?]);
    Ok(rules)
}

fn always(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

/// Makes the condition that the 32-bit argument has none of the values.
fn none_of(argument: u8, values: &[i32]) -> Result<Vec<SeccompCondition>, BackendError> {
    let conditions = values.iter().map(|value| {
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
    });
    conditions.collect()
}

/// Makes the condition that the argument is not a null pointer.
fn is_given(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)
}
