//! Starts a launcher as a process of its own.

#![expect(
    unsafe_code,
    reason = "acting between fork and exec has no safe interface"
)]

use std::ffi::OsStr;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::io::{FdFlags, dup2, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// The number of the control socket's descriptor in a launcher.
pub const CONTROL: RawFd = 3;

/// The file of this process's own program, even if it was replaced on disk since.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Starts `warren launcher` of this very program, with these arguments. Returns it, with its standard
/// error in a pipe, and the worker's end of its control socket: closing that ends it.
///
/// It gets no environment, since that may hold secrets, and no other descriptor. It is in a process
/// group of its own: Ctrl-C is for the worker, which lets its jobs end first.
///
/// # Errors
/// There is no process.
pub fn spawn(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> io::Result<(Child, OwnedFd)> {
    let (near, far) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut command = Command::new(OWN_PROGRAM);
    command
        .arg0("warren")
        .arg("launcher")
        .args(arguments)
        .current_dir("/")
        .env_clear()
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: the closure runs between fork and exec in a process whose other threads are gone. It
    // makes one system call, and neither allocates nor locks.
    unsafe { command.pre_exec(move || pass_on(&far)) };
    let child = command.spawn()?;
    Ok((child, near))
}

/// Gives the control socket its number, and keeps it open beyond `execve`.
fn pass_on(socket: &OwnedFd) -> io::Result<()> {
    if socket.as_raw_fd() == CONTROL {
        return Ok(fcntl_setfd(socket, FdFlags::empty())?);
    }
    // SAFETY: never dropped, so whatever has this number is not closed twice. Nothing of this
    // process uses it any more: all that is left to it is `execve`, which would close it.
    let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(CONTROL) });
    Ok(dup2(socket, &mut target)?)
}
