//! Compares the profile with Docker's default, of which it must be a part.

use std::collections::BTreeSet;

use super::*;

/// The calls that Docker's default profile (20.10.24 and later) allows a container without capabilities
/// on 64-bit machines, some with conditions on arguments: names, for comparison.
const DOCKERS: &str = "
    accept accept4 access adjtimex alarm arch_prctl bind brk capget capset chdir chmod chown
    clock_adjtime clock_getres clock_gettime clock_nanosleep clone close close_range connect
    copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
    epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
    exit_group faccessat faccessat2 fadvise64 fallocate fanotify_mark fchdir fchmod fchmodat
    fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
    fstatfs fsync ftruncate futex futimesat get_robust_list get_thread_area getcpu getcwd getdents
    getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid
    getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname
    getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1
    inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit ioctl ioprio_get
    ioprio_set kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat listen listxattr llistxattr lremovexattr lseek
    lsetxattr lstat madvise membarrier memfd_create mincore mkdir mkdirat mknod mknodat mlock
    mlock2 mlockall mmap modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
    mq_timedsend mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
    nanosleep newfstatat open openat openat2 pause personality pidfd_open pidfd_send_signal pipe
    pipe2 poll ppoll prctl pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2
    read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages
    removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg
    sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid
    setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid
    setsockopt setuid setxattr shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
    socket socketpair splice stat statfs statx symlink symlinkat sync sync_file_range syncfs
    sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
    timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink
    unlinkat utime utimensat utimes vfork vmsplice wait4 waitid write writev";

/// Calls that no user program needs, and an attacker might.
const NEVER: &str = "
    acct add_key bpf chroot clock_settime delete_module fanotify_init finit_module fsconfig fsmount
    fsopen fspick get_mempolicy init_module inotify_init inotify_init1 io_setup io_submit
    io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_load keyctl
    lookup_dcookie mbind memfd_create memfd_secret migrate_pages modify_ldt mount mount_setattr
    move_mount move_pages mq_open msgget name_to_handle_at open_by_handle_at open_tree
    perf_event_open pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev
    ptrace quotactl reboot remap_file_pages request_key semget setdomainname sethostname setns
    settimeofday shmget splice swapon sync syncfs syslog tee umount2 unshare uselib userfaultfd
    vhangup vmsplice
";

fn rules() -> Vec<Value> {
    let profile: Value = serde_json::from_str(profile()).unwrap();
    assert_eq!(profile["defaultAction"], REFUSE);
    profile["syscalls"].as_array().unwrap().clone()
}

fn names(rule: &Value) -> impl Iterator<Item = &str> {
    let names = rule["names"].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap())
}

/// Returns the names of all rules that allow something, on whatever condition.
fn allowed(rules: &[Value]) -> BTreeSet<&str> {
    let allowing = rules.iter().filter(|rule| rule["action"] == ALLOW);
    allowing.flat_map(names).collect()
}

#[test]
fn allows_nothing_that_dockers_default_refuses() {
    let (dockers, rules) = (BTreeSet::from_iter(DOCKERS.split_whitespace()), rules());
    let more: Vec<_> = allowed(&rules).difference(&dockers).copied().collect();
    assert!(more.is_empty(), "{more:?}");
    for rule in &rules {
        assert!([ALLOW, REFUSE].contains(&rule["action"].as_str().unwrap()));
    }
}

#[test]
fn allows_nothing_that_only_an_attacker_needs() {
    let (never, rules) = (BTreeSet::from_iter(NEVER.split_whitespace()), rules());
    let both: Vec<_> = allowed(&rules).intersection(&never).copied().collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn a_call_with_a_condition_is_not_also_allowed_without() {
    let rules = rules();
    for call in ["clone", "socket", "socketpair", "personality"] {
        let of_it: Vec<_> = rules
            .iter()
            .filter(|rule| names(rule).any(|name| name == call))
            .collect();
        assert!(!of_it.is_empty(), "{call}");
        for rule in of_it {
            let conditions = rule["args"].as_array().unwrap();
            assert_eq!((conditions.len(), &conditions[0]["index"]), (1, &json!(0)));
        }
    }
    let clone3 = rules
        .iter()
        .find(|rule| names(rule).eq(["clone3"]))
        .unwrap();
    assert_eq!(
        (&clone3["action"], &clone3["errnoRet"]),
        (&json!(REFUSE), &json!(38))
    );
}

/// The posture of a sandbox under this profile alone, which a test in containers holds to be true.
const POSTURE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/containment/posture/layer-profile.txt"
));

#[test]
fn allows_just_the_calls_that_reached_the_kernel_when_the_posture_was_written() {
    let reached = POSTURE.lines().filter_map(|line| {
        let name = line.strip_prefix("call ")?.strip_suffix(" = reached")?;
        (!name.contains(' ')).then_some(name)
    });
    let (reached, rules) = (BTreeSet::from_iter(reached), rules());
    let allowed = allowed(&rules);
    let differ: Vec<_> = allowed.symmetric_difference(&reached).collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert!(allowed.len() > 200, "{}", allowed.len());
}
