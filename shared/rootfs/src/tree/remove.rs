//! Removes things from a root by their directories' descriptors, following nothing.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, unlinkat};
use rustix::io::{Errno, Result};

/// Removes a name and everything below it, if it is there. No deeper than the tree's bounds, which
/// hold while it is filled.
pub(super) fn whole(folder: impl AsFd, name: &OsStr) -> Result<()> {
    match unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => {
            let within = open(&folder, name)?;
            for (name, _) in entries(&within)? {
                whole(&within, &name)?;
            }
            unlinkat(&folder, name, AtFlags::REMOVEDIR)
        }
        Err(other) => Err(other),
    }
}

/// Removes what is in a directory of that path, except what is `kept` by its own path.
pub(super) fn inside(
    folder: impl AsFd,
    path: &mut Vec<u8>,
    kept: &dyn Fn(&[u8]) -> bool,
) -> Result<()> {
    let readable = open(&folder, OsStr::new("."))?;
    for (name, kind) in entries(&readable)? {
        let length = path.len();
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        if !kept(path) {
            whole(&readable, &name)?;
        } else if kind == FileType::Directory {
            inside(&open(&readable, &name)?, path, kept)?;
        }
        path.truncate(length);
    }
    Ok(())
}

fn open(folder: impl AsFd, name: &OsStr) -> Result<std::os::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

/// Returns the names in a directory, and their kinds. All at once: removing while reading may skip some.
fn entries(folder: impl AsFd) -> Result<Vec<(OsString, FileType)>> {
    let is_name = |name: &CStr| name.to_bytes() != b"." && name.to_bytes() != b"..";
    let read = Dir::read_from(folder)?
        .map(|entry| entry.map(|entry| (entry.file_name().to_owned(), entry.file_type())));
    let all = read.collect::<Result<Vec<_>>>()?.into_iter();
    let own = all.filter(|(name, _)| is_name(name));
    Ok(own
        .map(|(name, kind)| (OsString::from_vec(name.into_bytes()), kind))
        .collect())
}
