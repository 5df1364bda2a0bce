//! The rights that are left to a launcher or template that has confined itself.

use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, capabilities, capabilities_secure_bits,
    capability_is_in_ambient_set, configure_capability_in_ambient_set, set_capabilities,
    set_capabilities_secure_bits,
};
use warren_launcher::confine;
use warren_launcher::error::Error;
use warren_launcher::seccomp::Program;

use super::child::{Child, Ends, Place, call, number};

/// A role, with the capabilities that it keeps.
type Role = (fn() -> Result<(), Error>, CapabilitySet);

const LAUNCHER: Role = (confine::launcher, confine::OF_LAUNCHER);
const TEMPLATE: Role = (confine::template, confine::OF_TEMPLATE);

/// Starts a confined child, which then does the work.
fn confined(place: Place, role: Role, work: impl FnOnce(&mut Ends)) -> Child {
    let mut child = Child::start(place, |ends| {
        fill_every_set();
        role.0().unwrap();
        ends.report("confined");
        ends.wait();
        work(ends);
    });
    assert_eq!(child.report(), "confined");
    child
}

/// Puts all capabilities into the inheritable and the ambient set, which are usually empty.
fn fill_every_set() {
    let mut sets = capabilities(None).unwrap();
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets).unwrap();
    for one in sets.permitted.iter() {
        configure_capability_in_ambient_set(one, true).unwrap();
    }
    assert!(capability_is_in_ambient_set(CapabilitySet::KILL).unwrap());
}

#[test]
fn the_kernel_shows_the_confinement() {
    for place in Place::ALL {
        for role in [LAUNCHER, TEMPLATE] {
            let mut child = confined(place, role, |_| {});
            let none = format!("{:016x}", 0);
            let kept = format!("{:016x}", role.1.bits());
            for (field, value) in [
                ("CapInh", &none),
                ("CapPrm", &kept),
                ("CapEff", &kept),
                ("CapBnd", &kept),
                ("CapAmb", &none),
                ("NoNewPrivs", &"1".to_owned()),
                ("Seccomp", &"2".to_owned()),
                ("Threads", &"1".to_owned()),
            ] {
                assert_eq!(child.status(field), *value, "{field}, {place:?}");
            }
            child.go_on();
            child.end();
        }
    }
}

#[test]
fn nobody_without_the_capability_may_trace_it() {
    for role in [LAUNCHER, TEMPLATE] {
        let mut open = Child::start(Place::Host, |ends| {
            give_up_tracing();
            ends.report("open");
            ends.wait();
        });
        assert_eq!(open.report(), "open");
        assert_eq!(looked_at(open.pid), 0, "anybody may look at an open one");
        open.go_on();
        open.end();
        let mut closed = confined(Place::Host, role, |_| {});
        assert_eq!(looked_at(closed.pid), libc::EACCES);
        closed.go_on();
        closed.end();
    }
}

/// Looks at what only its tracers see of a process, as root without the capability to trace.
fn looked_at(pid: i32) -> i32 {
    let mut spy = Child::start(Place::Host, |ends| {
        give_up_tracing();
        let seen = std::fs::read_link(format!("/proc/{pid}/exe"));
        let error = seen.map_or_else(|error| error.raw_os_error().unwrap_or(-1), |_| 0);
        ends.report(&error.to_string());
    });
    let error = spy.report().parse().unwrap();
    spy.end();
    error
}

fn give_up_tracing() {
    let mut sets = capabilities(None).unwrap();
    sets.permitted -= CapabilitySet::SYS_PTRACE;
    sets.effective = sets.permitted;
    set_capabilities(None, sets).unwrap();
}

#[test]
fn a_launcher_can_do_no_more_than_supervise() {
    for place in Place::ALL {
        let mut child = confined(place, LAUNCHER, |ends| {
            let unix = number(libc::AF_UNIX);
            let stream = number(libc::SOCK_STREAM);
            let (data, code) = (number(libc::PROT_READ), number(libc::PROT_EXEC));
            let memory = number(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let nowhere = usize::MAX;
            for (name, number, arguments, expected) in [
                (
                    "socket",
                    libc::SYS_socket,
                    [unix, stream, 0, 0, 0],
                    libc::EPERM,
                ),
                (
                    "socketpair",
                    libc::SYS_socketpair,
                    [unix, stream, 0, 0, 0],
                    libc::EPERM,
                ),
                // Invalid, so that it makes no process if the filter is gone.
                (
                    "clone",
                    libc::SYS_clone,
                    [number(libc::CLONE_THREAD), 0, 0, 0, 0],
                    libc::EPERM,
                ),
                ("clone3", libc::SYS_clone3, [0; 5], libc::EPERM),
                ("execve", libc::SYS_execve, [0; 5], libc::EPERM),
                (
                    "prctl",
                    libc::SYS_prctl,
                    [number(libc::PR_SET_DUMPABLE), 1, 0, 0, 0],
                    libc::EPERM,
                ),
                ("ptrace", libc::SYS_ptrace, [0; 5], libc::EPERM),
                ("seccomp", libc::SYS_seccomp, [0; 5], libc::EPERM),
                (
                    "code",
                    libc::SYS_mmap,
                    [0, 4096, code, memory, nowhere],
                    libc::EPERM,
                ),
                (
                    "memory",
                    libc::SYS_mmap,
                    [0, 4096, data, memory, nowhere],
                    0,
                ),
                ("futex", libc::SYS_futex, [0; 5], libc::EFAULT),
                ("kill", libc::SYS_kill, [0; 5], 0),
            ] {
                assert_eq!(call(number, arguments), expected, "{name}, {place:?}");
            }
            assert!(File::open("/proc/self/status").is_ok());
            ends.report("tried");
        });
        child.go_on();
        assert_eq!(child.report(), "tried");
        child.end();
    }
}

#[test]
fn a_template_can_still_make_sandboxes() {
    for place in Place::ALL {
        let mut child = confined(place, TEMPLATE, |ends| {
            let network = File::open("/proc/self/ns/net").unwrap();
            let users = File::open("/proc/self/ns/user").unwrap();
            let fd = |file: &File| usize::try_from(file.as_raw_fd()).unwrap();
            let (inet, netlink) = (number(libc::AF_INET), number(libc::AF_NETLINK));
            let (datagram, raw) = (number(libc::SOCK_DGRAM), number(libc::SOCK_RAW));
            let namespaces = number(
                libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP,
            );
            let new_user = number(libc::CLONE_NEWUSER);
            let name = c"warren".as_ptr().addr();
            for (name, number, arguments, expected) in [
                ("namespaces", libc::SYS_unshare, [namespaces, 0, 0, 0, 0], 0),
                (
                    "users",
                    libc::SYS_unshare,
                    [new_user, 0, 0, 0, 0],
                    libc::EPERM,
                ),
                (
                    "joined users",
                    libc::SYS_setns,
                    [fd(&users), new_user, 0, 0, 0],
                    libc::EPERM,
                ),
                (
                    "joined any",
                    libc::SYS_setns,
                    [fd(&users), 0, 0, 0, 0],
                    libc::EPERM,
                ),
                ("host name", libc::SYS_sethostname, [name, 6, 0, 0, 0], 0),
                ("inet", libc::SYS_socket, [inet, datagram, 0, 0, 0], 0),
                (
                    "netlink",
                    libc::SYS_socket,
                    [netlink, raw, 0, 0, 0],
                    libc::EPERM,
                ),
                ("ptrace", libc::SYS_ptrace, [0; 5], libc::EPERM),
                (
                    "chroot",
                    libc::SYS_chroot,
                    [c"/".as_ptr().addr(), 0, 0, 0, 0],
                    libc::EPERM,
                ),
            ] {
                assert_eq!(call(number, arguments), expected, "{name}, {place:?}");
            }
            // The host's network namespace is not its own, so it may not come back in a user namespace.
            let back = call(
                libc::SYS_setns,
                [fd(&network), number(libc::CLONE_NEWNET), 0, 0, 0],
            );
            assert_eq!(back == 0, place == Place::Host, "{place:?}: {back}");
            takes_no_capability_along();
            becomes_a_sandbox();
            ends.report("tried");
        });
        child.go_on();
        assert_eq!(child.report(), "tried");
        child.end();
    }
}

/// Tries the ways by which a program that root executes would have capabilities.
fn takes_no_capability_along() {
    let mut sets = capabilities(None).unwrap();
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets).unwrap();
    let raised = configure_capability_in_ambient_set(CapabilitySet::KILL, true);
    assert_eq!(raised, Err(Errno::PERM));
    let bits = capabilities_secure_bits().unwrap();
    for one in [
        CapabilitiesSecureBits::NO_ROOT,
        CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE,
    ] {
        let unlocked = set_capabilities_secure_bits(bits - one);
        assert_eq!(unlocked, Err(Errno::PERM), "{one:?}");
    }
}

/// Does the last steps of a sandbox's PID 1 before it executes the runner.
fn becomes_a_sandbox() {
    const USER: usize = 64_000;
    let groups = [64_000_u32];
    assert_eq!(
        call(libc::SYS_setgroups, [1, groups.as_ptr().addr(), 0, 0, 0]),
        0
    );
    assert_eq!(call(libc::SYS_setresgid, [USER, USER, USER, 0, 0]), 0);
    assert_eq!(call(libc::SYS_setresuid, [USER, USER, USER, 0, 0]), 0);
    let program = Program::build();
    program.load().unwrap();
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000"] {
        assert!(status.contains(line), "{status}");
    }
    // The sandbox's own filter, which the template's would have let through.
    assert_eq!(call(libc::SYS_clone3, [0; 5]), libc::ENOSYS);
    let namespace = number(libc::CLONE_NEWNET);
    assert_eq!(
        call(libc::SYS_unshare, [namespace, 0, 0, 0, 0]),
        libc::EPERM
    );
    assert_eq!(call(libc::SYS_getppid, [0; 5]), 0);
}

#[test]
fn root_that_executes_a_program_gets_no_capability_back() {
    for place in Place::ALL {
        let mut child = confined(place, TEMPLATE, |ends| {
            ends.execute(c"/bin/cat", c"/proc/self/status");
        });
        child.go_on();
        let status = child.rest();
        for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000"] {
            assert!(status.contains(line), "{place:?}: {status}");
        }
        child.end();
    }
}
