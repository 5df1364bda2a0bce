//! System calls that have no safe interface elsewhere, each as one safe function.

#![expect(
    unsafe_code,
    reason = "cloning, executing and closing by number have no safe interface"
)]

use std::ffi::{CStr, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The highest signal number: on Linux they are 1 to 64.
const LAST_SIGNAL: i32 = 64;

/// `CLONE_INTO_CGROUP` of `linux/sched.h`.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Namespaces of a new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Namespaces(u64);

impl Namespaces {
    /// Mounts, processes, System V objects and names: everything that a fresh process tree needs but
    /// a network.
    pub(crate) const WITHOUT_NETWORK: Self = Self(
        (libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS) as u64,
    );
    /// Those and a network.
    pub(crate) const WITH_NETWORK: Self = Self(Self::WITHOUT_NETWORK.0 | libc::CLONE_NEWNET as u64);
    /// None.
    pub(crate) const NONE: Self = Self(0);
}

/// The two sides of a clone.
#[derive(Debug)]
pub(crate) enum Cloned {
    /// In the parent: the new process.
    Parent(OwnedFd),
    /// In the new process.
    Child,
}

/// Clones the calling process, which has one thread only, into new namespaces and, if one is given, into
/// a control group of version 2.
pub(crate) fn clone(namespaces: Namespaces, group: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all zeroes is a valid request, of nothing.
    let mut request: libc::clone_args = unsafe { std::mem::zeroed() };
    request.flags = namespaces.0 | libc::CLONE_PIDFD as u64;
    request.pidfd = &raw mut pidfd as u64;
    request.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = group {
        request.flags |= INTO_CGROUP;
        request.cgroup = u64::from(group.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM this is a fork: the child goes on with a copy of all memory. There is no
    // other thread that could hold a lock in it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const request,
            size_of::<libc::clone_args>(),
        )
    };
    match result {
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel has just opened this descriptor for us.
        1.. => Ok(Cloned::Parent(unsafe { OwnedFd::from_raw_fd(pidfd) })),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Executes a program. Both arrays end with a null pointer. Returns only if that fails.
pub(crate) fn execute(program: &CStr, arguments: &Pointers, environment: &Pointers) -> io::Error {
    // SAFETY: the arrays end with null, and their texts live as long as they do (`Pointers::to`).
    unsafe {
        libc::execve(
            program.as_ptr(),
            arguments.0.as_ptr(),
            environment.0.as_ptr(),
        )
    };
    io::Error::last_os_error()
}

/// An array of texts as `execve` takes it, which is made before the clone.
pub(crate) struct Pointers<'a>(Vec<*const c_char>, std::marker::PhantomData<&'a CStr>);

impl<'a> Pointers<'a> {
    /// Makes an array of pointers to these texts.
    pub(crate) fn to(texts: &[&'a CStr]) -> Self {
        let pointers = texts.iter().map(|text| text.as_ptr());
        Self(
            pointers.chain([std::ptr::null()]).collect(),
            std::marker::PhantomData,
        )
    }
}

/// Ends this process at once, without any clean-up: the parent's buffers are not this process's.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: it only ends the process.
    unsafe { libc::_exit(status) }
}

/// Closes every descriptor from `first` on. Whoever calls this uses none of them any more: only
/// `execve` or `exit` follow.
pub(crate) fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: see above. No value that owns one of them is dropped after this.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })
}

/// Duplicates a descriptor to this number, whatever was there. It stays open at exec if `kept`.
pub(crate) fn duplicate_to(from: BorrowedFd<'_>, number: RawFd, kept: bool) -> io::Result<()> {
    let flags = if kept { 0 } else { libc::O_CLOEXEC };
    // SAFETY: used only before exec, where no value owns the descriptor with that number.
    check(unsafe { libc::syscall(libc::SYS_dup3, from.as_raw_fd(), number, flags) })
}

/// Takes over a descriptor by its number; `None` if it is not open. Called once for each, at the start,
/// when nothing else can own it.
pub(crate) fn take_descriptor(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: only asks for its flags.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    // SAFETY: it is open, and nothing else owns it.
    (flags >= 0).then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Has every signal do what it does by default, and none blocked, also those that the C library reserves
/// and refuses to set. But a write into a closed pipe is an error and no signal.
pub(crate) fn default_signals() {
    /// The kernel's `struct sigaction`: all zeroes are the default action, no flags and an empty mask.
    const DEFAULT_ACTION: [u64; 4] = [0; 4];
    /// Bytes of the kernel's `sigset_t`.
    const SET_SIZE: usize = 8;
    let none = std::ptr::null_mut::<u64>();
    for signal in 1..=LAST_SIGNAL {
        let action = DEFAULT_ACTION.as_ptr();
        // SAFETY: the kernel only reads the action. It refuses SIGKILL and SIGSTOP.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action, none, SET_SIZE) };
    }
    // SAFETY: ignoring has no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let empty = 0_u64;
    let how = libc::SIG_SETMASK;
    // SAFETY: the kernel only reads the set, and changes the mask of this thread only.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const empty,
            none,
            SET_SIZE,
        )
    };
}

/// Overwrites every environment variable in memory, and removes it: a fork has all of it. The process has
/// one thread.
pub(crate) fn wipe_environment() {
    unsafe extern "C" {
        /// The C library's array of variables, which ends with null.
        static mut environ: *mut *mut c_char;
    }
    // SAFETY: no other thread reads or writes it, and each text is this process's own memory up to its
    // end. The standard library keeps no pointer into it.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            let len = CStr::from_ptr(*next).count_bytes();
            std::ptr::write_bytes(*next, 0, len);
            next = next.add(1);
        }
        libc::clearenv();
    }
}

/// Locks a range of a file's bytes for the open file, and so for every process that inherits it, until the
/// last of them is gone. Returns whether it did: somebody else may have some of them.
pub(crate) fn lock_range(file: BorrowedFd<'_>, start: u32, len: u32) -> io::Result<bool> {
    /// `F_WRLCK` and `SEEK_SET` of `linux/fcntl.h` and `linux/fs.h`, as wide as the structure has them.
    const WRITE_LOCK: libc::c_short = 1;
    const FROM_START: libc::c_short = 0;
    // SAFETY: all zeroes is a valid request.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = WRITE_LOCK;
    request.l_whence = FROM_START;
    request.l_start = libc::off_t::from(start);
    request.l_len = libc::off_t::from(len);
    // SAFETY: the kernel reads the request, which lives until the call returns.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) };
    match check(result.into()) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(false),
            _ => Err(error),
        },
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
