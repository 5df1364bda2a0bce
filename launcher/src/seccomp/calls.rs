//! The names and numbers of the calls that are always allowed.

/// A system call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its name, as in `libseccomp`'s tables.
    pub name: &'static str,
    /// Its number on this machine; `None` if this architecture does not have it.
    pub(crate) number: Option<libc::c_long>,
}

impl Call {
    /// Takes the name off the C library's constant of the call's number.
    pub(crate) const fn of(constant: &'static str, number: Option<libc::c_long>) -> Self {
        let (_, name) = constant.split_at("SYS_".len());
        Self { name, number }
    }
}

/// Lists calls that every architecture has.
macro_rules! calls {
    ($($call:ident),* $(,)?) => {
        &[$($crate::seccomp::calls::Call::of(stringify!($call), Some(libc::$call))),*]
    };
}
pub(crate) use calls;

/// Lists calls that only x86_64 has.
#[cfg(target_arch = "x86_64")]
macro_rules! calls_of_x86_64 {
    ($($call:ident),* $(,)?) => { $crate::seccomp::calls::calls![$($call),*] };
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! calls_of_x86_64 {
    ($($call:ident),* $(,)?) => {
        &[$($crate::seccomp::calls::Call::of(stringify!($call), None)),*]
    };
}
pub(crate) use calls_of_x86_64;

/// The calls of interpreters, the C libraries (glibc and musl) and the runner, on every
/// architecture.
pub(super) const EVERYWHERE: &[Call] = calls![
    // Files.
    SYS_chdir,
    SYS_close,
    SYS_close_range,
    SYS_copy_file_range,
    SYS_dup,
    SYS_dup3,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_fadvise64,
    SYS_fallocate,
    SYS_fchdir,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_fcntl,
    SYS_fdatasync,
    SYS_fgetxattr,
    SYS_flistxattr,
    SYS_flock,
    SYS_fstat,
    SYS_fstatfs,
    SYS_fsync,
    SYS_ftruncate,
    SYS_getcwd,
    SYS_getdents64,
    SYS_getxattr,
    SYS_ioctl,
    SYS_lgetxattr,
    SYS_linkat,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_lseek,
    SYS_mkdirat,
    // Without the capability for devices: named pipes.
    SYS_mknodat,
    SYS_newfstatat,
    SYS_openat,
    SYS_pipe2,
    SYS_pread64,
    SYS_preadv,
    SYS_preadv2,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_pwritev2,
    SYS_read,
    SYS_readlinkat,
    SYS_readv,
    SYS_renameat,
    SYS_renameat2,
    SYS_sendfile,
    SYS_statfs,
    SYS_statx,
    SYS_symlinkat,
    SYS_truncate,
    SYS_umask,
    SYS_unlinkat,
    SYS_utimensat,
    SYS_write,
    SYS_writev,
    // Memory.
    SYS_brk,
    SYS_madvise,
    SYS_membarrier,
    SYS_mlock,
    SYS_mlock2,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_msync,
    SYS_munlock,
    SYS_munmap,
    // Processes and threads.
    SYS_execve,
    SYS_execveat,
    SYS_exit,
    SYS_exit_group,
    SYS_futex,
    SYS_getpgid,
    SYS_getpid,
    SYS_getppid,
    SYS_getpriority,
    SYS_getrusage,
    SYS_getsid,
    SYS_gettid,
    SYS_kill,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_prctl,
    SYS_prlimit64,
    SYS_rseq,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_getaffinity,
    SYS_sched_getattr,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_rr_get_interval,
    SYS_sched_setaffinity,
    SYS_sched_setparam,
    SYS_sched_setscheduler,
    SYS_sched_yield,
    // The runner's own confinement of programs, which forbids them another one.
    SYS_landlock_add_rule,
    SYS_landlock_create_ruleset,
    SYS_landlock_restrict_self,
    SYS_seccomp,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_setpgid,
    SYS_setpriority,
    SYS_setsid,
    SYS_tgkill,
    SYS_tkill,
    SYS_wait4,
    SYS_waitid,
    // Identity. Without capabilities no process can become another user.
    SYS_capget,
    SYS_getegid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getgroups,
    SYS_getresgid,
    SYS_getresuid,
    SYS_getuid,
    // Signals.
    SYS_restart_syscall,
    SYS_rt_sigaction,
    SYS_rt_sigpending,
    SYS_rt_sigprocmask,
    SYS_rt_sigqueueinfo,
    SYS_rt_sigreturn,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_rt_tgsigqueueinfo,
    SYS_sigaltstack,
    SYS_signalfd4,
    // Time.
    SYS_clock_getres,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_getitimer,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_setitimer,
    SYS_timer_create,
    SYS_timer_delete,
    SYS_timer_getoverrun,
    SYS_timer_gettime,
    SYS_timer_settime,
    SYS_timerfd_create,
    SYS_timerfd_gettime,
    SYS_timerfd_settime,
    SYS_times,
    // Waiting for many things.
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_ppoll,
    SYS_pselect6,
    // Existing sockets (new ones: see the rules).
    SYS_accept,
    SYS_accept4,
    SYS_bind,
    SYS_connect,
    SYS_getpeername,
    SYS_getsockname,
    SYS_getsockopt,
    SYS_listen,
    SYS_recvfrom,
    SYS_recvmmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_sendmsg,
    SYS_sendto,
    SYS_setsockopt,
    SYS_shutdown,
    // The machine.
    SYS_getcpu,
    SYS_getrandom,
    SYS_sysinfo,
    SYS_uname,
];

/// Older calls that newer architectures lack: musl and Go still use them on x86_64.
pub(super) const ON_X86_64: &[Call] = calls_of_x86_64![
    SYS_access,
    SYS_alarm,
    SYS_arch_prctl,
    SYS_chmod,
    SYS_chown,
    SYS_creat,
    SYS_dup2,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_fork,
    SYS_futimesat,
    SYS_getdents,
    SYS_getpgrp,
    SYS_getrlimit,
    SYS_lchown,
    SYS_link,
    SYS_lstat,
    SYS_mkdir,
    SYS_mknod,
    SYS_open,
    SYS_pause,
    SYS_pipe,
    SYS_poll,
    SYS_readlink,
    SYS_rename,
    SYS_rmdir,
    SYS_select,
    SYS_setrlimit,
    SYS_signalfd,
    SYS_stat,
    SYS_symlink,
    SYS_time,
    SYS_unlink,
    SYS_utime,
    SYS_utimes,
    SYS_vfork,
];

/// The calls that only the last steps of a container runtime make, between loading the profile and
/// executing PID 1. No interpreter, C library or runner makes them.
pub(super) const OF_RUNTIMES: &[Call] = calls![
    // The safe ways to `/proc` of newer versions of runc.
    SYS_openat2,
];
