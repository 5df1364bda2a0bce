//! Opens things inside a root: no name or link leads out.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2, readlinkat};
use rustix::io::{Errno, Result};

/// Of a name without links: the usual one.
const PLAIN: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Of a name through links: the root is `/` to them, as it will be in the sandbox.
const THROUGH_LINKS: ResolveFlags = ResolveFlags::IN_ROOT
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// The most attempts at a name with links. The kernel gives up when anything at all is renamed on the
/// machine meanwhile (openat2(2), EAGAIN).
const ATTEMPTS: usize = 64;

/// The directories of a path, as [`directory`] found it.
pub(super) enum Way {
    /// It has no link, so they are those of its name.
    Plain,
    /// It leads through links, to this many directories below the root.
    ThroughLinks(usize),
}

/// Opens a directory, to be named in other calls.
pub(super) fn directory(root: impl AsFd, path: &OsStr) -> Result<(OwnedFd, Way)> {
    let path = if path.is_empty() {
        OsStr::new(".")
    } else {
        path
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat2(&root, path, flags, Mode::empty(), PLAIN) {
        Ok(opened) => Ok((opened, Way::Plain)),
        Err(Errno::LOOP) => {
            let opened = through_links(&root, path, flags)?;
            let depth = depth(&root, &opened)?;
            Ok((opened, Way::ThroughLinks(depth)))
        }
        Err(other) => Err(other),
    }
}

/// Opens a file to be read, through links.
pub(super) fn file(root: impl AsFd, path: &OsStr) -> Result<OwnedFd> {
    // A pipe would make the caller wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    through_links(root, path, flags)
}

/// Finds something, through links.
pub(super) fn anything(root: impl AsFd, path: &OsStr) -> Result<OwnedFd> {
    through_links(root, path, OFlags::PATH | OFlags::CLOEXEC)
}

fn through_links(root: impl AsFd, path: &OsStr, flags: OFlags) -> Result<OwnedFd> {
    let mut result = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS {
        result = openat2(&root, path, flags, Mode::empty(), THROUGH_LINKS);
        if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    result
}

/// Returns the number of directories between the root and a directory inside it.
fn depth(root: impl AsFd, inside: impl AsFd) -> Result<usize> {
    let (root, inside) = (path_of(root)?, path_of(inside)?);
    let below = inside.strip_prefix(root.as_slice()).ok_or(Errno::XDEV)?;
    Ok(below.iter().filter(|byte| **byte == b'/').count())
}

/// Returns the path of an open directory.
fn path_of(directory: impl AsFd) -> Result<Vec<u8>> {
    let link = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
    readlinkat(CWD, link, Vec::new()).map(CString::into_bytes)
}
