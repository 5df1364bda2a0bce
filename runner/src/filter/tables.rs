//! The refused system calls, by the answer that a program gets.

use std::collections::BTreeMap;

use super::conditions::Rule;

/// Each system call with the rules under which it is refused; without one, it always is.
pub(super) type Rules = BTreeMap<i64, Vec<Rule>>;

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
    // A program is under Landlock already, and further layers of its own are only kernel surface.
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
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
];
#[cfg(target_arch = "aarch64")]
const FORBIDDEN_HERE: &[i64] = &[libc::SYS_kexec_file_load];

/// Returns the calls that are answered with "no such call".
pub(super) fn missing() -> Rules {
    always(MISSING)
}

/// Returns the calls that are answered with "not permitted", whatever their arguments.
pub(super) fn forbidden() -> Rules {
    let mut rules = always(FORBIDDEN);
    rules.extend(always(FORBIDDEN_HERE));
    rules
}

fn always(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}
