//! Makes processes that are PID 1 of a namespace each.

#![expect(unsafe_code, reason = "making namespaces has no safe interface")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::ptr;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::pipe::{PipeFlags, pipe_with};

/// Nobody.
const USER: u32 = 65_534;

/// Gives this process mounts and a network of its own, and empty directories at those places: in the
/// first, executable copies of `files`, named by number.
pub(crate) fn enter(places: &[&Path], files: impl FnOnce() -> Vec<Vec<u8>>) {
    let files = files();
    // SAFETY: this process has one thread.
    let done = unsafe { libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWNET) };
    assert_eq!(done, 0, "this takes root");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).unwrap();
    for place in places {
        let options = c"mode=1777,size=16m,nr_inodes=4096";
        mount("tmpfs", *place, "tmpfs", MountFlags::empty(), options).unwrap();
    }
    for (number, content) in files.into_iter().enumerate() {
        let path = places[0].join(number.to_string());
        fs::write(&path, content).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).unwrap();
    }
}

/// A process that has just begun to run its program as PID 1.
pub(crate) struct Born {
    pub(crate) input: File,
    pub(crate) output: File,
    pid: c_int,
    /// The CPU time that it had used before, in microseconds.
    before: u64,
}

impl Born {
    /// Closes its input and waits for its end. Returns the CPU time in microseconds that it and the
    /// children that it waited for have used, and their page faults.
    pub(crate) fn ended(self) -> (u64, u64) {
        let Self {
            input, output, pid, ..
        } = self;
        drop((input, output));
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both pointers are valid for writing; an all-zero rusage is a valid one.
        let usage = unsafe {
            assert_eq!(
                libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()),
                pid
            );
            usage.assume_init()
        };
        assert_eq!(status, 0);
        let micros = |time: libc::timeval| u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec);
        let cpu = micros(usage.ru_utime).unwrap() + micros(usage.ru_stime).unwrap();
        (cpu - self.before, u64::try_from(usage.ru_minflt).unwrap())
    }
}

/// What a new process needs until it is a program.
struct Kit {
    streams: [RawFd; 2],
    file: CString,
    args: Vec<*const c_char>,
    environment: [*const c_char; 2],
    before: u64,
}

/// Starts a program as PID 1 of a new namespace, without any right, and with pipes for streams.
pub(crate) fn bear(file: &str, args: &[&str]) -> Born {
    let (theirs_in, input): (OwnedFd, OwnedFd) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (output, theirs_out) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let args: Vec<CString> = args.iter().map(|arg| CString::new(*arg).unwrap()).collect();
    let pointers = args.iter().map(|arg| arg.as_ptr()).chain([ptr::null()]);
    let mut kit = Kit {
        streams: [theirs_in.as_raw_fd(), theirs_out.as_raw_fd()],
        file: CString::new(file).unwrap(),
        args: pointers.collect(),
        environment: [c"PATH=/usr/local/bin:/usr/bin:/bin".as_ptr(), ptr::null()],
        before: 0,
    };
    let mut stack = vec![0_u128; 4096];
    let flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_VM
        | libc::CLONE_VFORK
        | libc::SIGCHLD;
    // SAFETY: the new process has a stack of its own, and this one stands still until the other has
    // left the memory that both share.
    let pid = unsafe {
        let top = stack.as_mut_ptr_range().end;
        libc::clone(become_program, top.cast(), flags, (&raw mut kit).cast())
    };
    assert!(pid > 0, "{}", std::io::Error::last_os_error());
    Born {
        input: File::from(input),
        output: File::from(output),
        pid,
        before: kit.before,
    }
}

extern "C" fn become_program(kit: *mut c_void) -> c_int {
    // SAFETY: `bear` passes its own kit, which it does not touch meanwhile; the rest are system calls.
    unsafe {
        let kit = &mut *kit.cast::<Kit>();
        let user = libc::c_long::from(USER);
        for (number, stream) in (0..).zip(kit.streams) {
            libc::dup2(stream, number);
        }
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>());
        libc::syscall(libc::SYS_setresgid, user, user, user);
        libc::syscall(libc::SYS_setresuid, user, user, user);
        libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
        libc::chdir(c"/tmp".as_ptr());
        let mut time = MaybeUninit::<libc::timespec>::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, time.as_mut_ptr());
        let time = time.assume_init();
        kit.before = (time.tv_sec * 1_000_000 + time.tv_nsec / 1000).unsigned_abs();
        libc::execve(
            kit.file.as_ptr(),
            kit.args.as_ptr(),
            kit.environment.as_ptr(),
        );
        libc::_exit(127)
    }
}
