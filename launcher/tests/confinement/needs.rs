//! Takes each capability from a role, and one step of its work fails.

use std::io::{self, PipeWriter, Read, pipe};
use std::ptr;

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use warren_launcher::confine;

use super::child::{Child, Place, call, number};

/// A user of a sandbox.
const USER: usize = 64_000;

/// A step by its name. It returns the error number, 0 if it succeeds.
type Step = (&'static str, fn() -> i32);

/// The steps of a template's work, in their order. Each is tried even if one before has failed.
const STEPS: [Step; 8] = [
    ("namespaces", namespaces),
    ("mount", mount),
    ("loopback", loopback),
    ("kill", kill_another_user),
    ("bounding set", || {
        call(libc::SYS_prctl, [number(libc::PR_CAPBSET_DROP), 0, 0, 0, 0])
    }),
    ("groups", groups),
    ("group", || {
        call(libc::SYS_setresgid, [USER, USER, USER, 0, 0])
    }),
    ("user", || {
        call(libc::SYS_setresuid, [USER, USER, USER, 0, 0])
    }),
];

fn namespaces() -> i32 {
    let all = libc::CLONE_NEWNS
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    call(libc::SYS_unshare, [number(all), 0, 0, 0, 0])
}

/// Mounts in a namespace of its own: without one it would be the host's mount.
fn mount() -> i32 {
    let own = call(libc::SYS_unshare, [number(libc::CLONE_NEWNS), 0, 0, 0, 0]);
    if own != 0 {
        return own;
    }
    let private = usize::try_from(libc::MS_REC | libc::MS_PRIVATE).unwrap();
    let root = c"/".as_ptr().addr();
    let private = call(libc::SYS_mount, [0, root, 0, private, 0]);
    if private != 0 {
        return private;
    }
    let (kind, at) = (c"tmpfs".as_ptr().addr(), c"/tmp".as_ptr().addr());
    call(libc::SYS_mount, [kind, at, kind, 0, 0])
}

/// Brings up `lo`, as `ifconfig lo up` does.
fn loopback() -> i32 {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: the request is zeroed, names the interface, and outlives the call. The descriptor ends
    // with the process.
    let result = unsafe {
        let socket = libc::socket(libc::AF_INET, kind, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap();
        libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw mut request)
    };
    errno(result)
}

/// Kills a process of a sandbox's user.
fn kill_another_user() -> i32 {
    Other::start().kill()
}

/// A process of another user, which ends with its parent's end of a pipe at the latest.
struct Other {
    pid: i32,
    until: PipeWriter,
}

impl Other {
    fn start() -> Self {
        let (end, until) = pipe().unwrap();
        let (mut is_ready, ready) = pipe().unwrap();
        // SAFETY: the child makes system calls only, and ends here.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop((until, is_ready));
            call(libc::SYS_setresuid, [USER, USER, USER, 0, 0]);
            drop(ready);
            let _ = (&end).read(&mut [0]);
            // SAFETY: does not return.
            unsafe { libc::_exit(0) };
        }
        drop(ready);
        assert_eq!(is_ready.read(&mut [0]).unwrap(), 0);
        Self { pid, until }
    }

    /// Kills it, and returns the error number of that.
    fn kill(self) -> i32 {
        // SAFETY: no memory is involved.
        let result = errno(unsafe { libc::kill(self.pid, libc::SIGKILL) });
        drop(self.until);
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(self.pid, ptr::null_mut(), 0) };
        result
    }
}

fn groups() -> i32 {
    let groups = [u32::try_from(USER).unwrap()];
    call(libc::SYS_setgroups, [1, groups.as_ptr().addr(), 0, 0, 0])
}

fn errno(result: i32) -> i32 {
    if result == -1 {
        io::Error::last_os_error().raw_os_error().unwrap_or(-1)
    } else {
        0
    }
}

/// Gives up all capabilities but these.
fn hold(kept: CapabilitySet) {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).unwrap();
}

/// Returns the steps that fail with these capabilities.
fn failing(place: Place, kept: CapabilitySet) -> String {
    let mut child = Child::start(place, |ends| {
        hold(kept);
        let failed = STEPS.iter().filter(|(_, step)| step() != 0);
        let failed: Vec<&str> = failed.map(|(name, _)| *name).collect();
        ends.report(&failed.join(", "));
    });
    let failed = child.report();
    child.end();
    failed
}

#[test]
fn a_template_needs_each_of_its_capabilities_and_no_other() {
    for place in Place::ALL {
        assert_eq!(failing(place, confine::OF_TEMPLATE), "", "{place:?}");
        let mut needed = CapabilitySet::empty();
        let without_namespaces = match place {
            // The host's own interface, which is up.
            Place::Host => "namespaces, mount",
            Place::UserNamespace => "namespaces, mount, loopback",
        };
        for (capability, steps) in [
            (CapabilitySet::SYS_ADMIN, without_namespaces),
            (CapabilitySet::NET_ADMIN, "loopback"),
            (CapabilitySet::KILL, "kill"),
            (CapabilitySet::SETPCAP, "bounding set"),
            (CapabilitySet::SETGID, "groups, group"),
            (CapabilitySet::SETUID, "user"),
        ] {
            let failed = failing(place, confine::OF_TEMPLATE - capability);
            assert_eq!(failed, steps, "{place:?} without {capability:?}");
            needed |= capability;
        }
        assert_eq!(needed, confine::OF_TEMPLATE);
    }
}

#[test]
fn a_launcher_needs_its_capability_to_kill_what_a_sandbox_left() {
    for place in Place::ALL {
        let confined = killing(place, || confine::launcher().unwrap());
        let without = killing(place, || hold(CapabilitySet::empty()));
        assert_eq!((confined, without), (0, libc::EPERM), "{place:?}");
    }
    assert_eq!(confine::OF_LAUNCHER, CapabilitySet::KILL);
}

/// Kills a process of another user after giving up capabilities.
fn killing(place: Place, give_up: fn()) -> i32 {
    let mut child = Child::start(place, |ends| {
        let other = Other::start();
        give_up();
        ends.report(&other.kill().to_string());
    });
    let result = child.report().parse().unwrap();
    child.end();
    result
}
