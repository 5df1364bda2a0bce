//! Unpacks a tar archive into a tree.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use self::metered::{Allowance, Metered};
use crate::entry_path::EntryPath;
use crate::error::{EntryFault, Error, Result};
use crate::tree::Tree;

mod metered;

/// The most that the headers of one entry may take, in bytes: long names and attributes. The `tar`
/// crate reads them into memory.
const HEADERS: u64 = 1 << 20;

/// The directories that engines mount something over. What a base image has in them is left out, such
/// as Debian's device nodes. [`crate::furnish`] makes the directories themselves.
const COVERED: [&[u8]; 4] = [b"dev", b"proc", b"sys", b"tmp"];

/// The file that Docker puts into every container; nothing in the native engine is Docker's.
const DOCKERS: &[u8] = b".dockerenv";

/// The beginning of a name that removes what lower layers have (OCI image specification, *Layers*).
const WHITEOUT: &[u8] = b".wh.";
/// The name that removes everything that lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The beginning of names that only a storage driver needed.
const DRIVERS: &[u8] = b".wh..wh.";

/// Returns whether a sandbox can never see what is there.
pub(crate) fn is_left_out(path: &EntryPath) -> bool {
    let first = path.as_bytes().split(|byte| *byte == b'/').next();
    first.is_some_and(|first| COVERED.contains(&first)) || path.as_bytes() == DOCKERS
}

/// Unpacks a whole root file system, such as `docker export` writes.
///
/// # Errors
/// The archive cannot be read, holds an entry that no root may have, or is too large.
pub fn unpack_flat(tree: &mut Tree, archive: impl Read) -> Result<()> {
    unpack(archive, |entry| {
        let path = EntryPath::parse(&entry.path_bytes(), &tree.bounds)?;
        tree.count(entry.size())?;
        match path {
            Some(path) if !is_left_out(&path) => add(tree, &path, entry),
            _ => Ok(()),
        }
    })
}

/// Unpacks one layer of an image on top of those below it.
pub(crate) fn unpack_layer(tree: &mut Tree, archive: impl Read) -> Result<()> {
    let mut own = Own::default();
    unpack(archive, |entry| {
        let path = EntryPath::parse(&entry.path_bytes(), &tree.bounds)?;
        tree.count(entry.size())?;
        let Some(path) = path.filter(|path| !is_left_out(path)) else {
            return Ok(());
        };
        match Whiteout::of(&path, tree)? {
            None => {
                own.insert(path.as_bytes());
                add(tree, &path, entry)
            }
            Some(Whiteout::Drivers) => Ok(()),
            Some(Whiteout::Of(removed)) => {
                if own.contains(removed.as_bytes()) {
                    tree.remove_inside(Some(&removed), &|path| own.contains(path))
                } else {
                    tree.remove(&removed)
                }
            }
            Some(Whiteout::Inside(folder)) => {
                tree.remove_inside(folder.as_ref(), &|path| own.contains(path))
            }
        }
    })
}

/// The paths that a layer itself has, and the directories above them: its whiteouts are for what is
/// below it. Kept as hashes with a random key, since a million paths may take a gigabyte.
#[derive(Default)]
struct Own {
    paths: HashSet<u64>,
    key: RandomState,
}

impl Own {
    fn insert(&mut self, path: &[u8]) {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for end in ends.map(|(at, _)| at).chain([path.len()]) {
            self.paths.insert(self.key.hash_one(&path[..end]));
        }
    }

    fn contains(&self, path: &[u8]) -> bool {
        self.paths.contains(&self.key.hash_one(path))
    }
}

/// An entry that removes something.
enum Whiteout {
    /// What lower layers have at this path.
    Of(EntryPath),
    /// What lower layers have in this directory, the root if there is none.
    Inside(Option<EntryPath>),
    /// Nothing: a storage driver's own.
    Drivers,
}

impl Whiteout {
    fn of(path: &EntryPath, tree: &Tree) -> Result<Option<Self>> {
        let mut names = path.as_bytes().split(|byte| *byte == b'/');
        if names.any(|name| name.starts_with(DRIVERS) && name != OPAQUE) {
            return Ok(Some(Self::Drivers));
        }
        let bytes = path.as_bytes();
        let start = bytes
            .iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |at| at + 1);
        let (folder, name) = bytes.split_at(start);
        if name == OPAQUE {
            return EntryPath::parse(folder, &tree.bounds).map(|folder| Some(Self::Inside(folder)));
        }
        let Some(removed) = name.strip_prefix(WHITEOUT) else {
            return Ok(None);
        };
        // `.wh...` would name the directory above.
        if removed.is_empty() || removed == b"." || removed == b".." {
            return Err(Error::entry(bytes, EntryFault::Whiteout));
        }
        let removed = EntryPath::parse(&[folder, removed].concat(), &tree.bounds)?;
        Ok(removed.map(Self::Of))
    }
}

/// Calls `each` with every entry, and bounds what the library reads by itself.
fn unpack<R: Read>(
    archive: R,
    mut each: impl FnMut(&mut Entry<'_, Metered<R>>) -> Result<()>,
) -> Result<()> {
    let allowance = Allowance::default();
    let mut archive = Archive::new(Metered::new(archive, &allowance));
    let mut entries = archive.entries().map_err(Error::Archive)?;
    loop {
        allowance.set(HEADERS);
        let Some(entry) = entries.next() else {
            return Ok(());
        };
        let mut entry = entry.map_err(Error::Archive)?;
        allowance.set(entry.size().saturating_add(HEADERS));
        each(&mut entry)?;
        io::copy(&mut entry, &mut io::sink()).map_err(Error::Archive)?;
    }
}

/// Adds an entry to the tree.
fn add(tree: &mut Tree, path: &EntryPath, entry: &mut Entry<'_, impl Read>) -> Result<()> {
    let refuse = |fault| Err(Error::entry(path.as_bytes(), fault));
    let mode = entry.header().mode().map_err(Error::Archive)?;
    let is_folder = entry.path_bytes().ends_with(b"/");
    match entry.header().entry_type() {
        EntryType::Directory => tree.directory(path, mode),
        // The oldest form of a directory.
        EntryType::Regular if is_folder => tree.directory(path, mode),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let modified = entry.header().mtime().map_err(Error::Archive)?;
            tree.file(path, mode, Some(modified), entry)
        }
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            tree.symbolic_link(path, &target)
        }
        EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            match EntryPath::parse(&target, &tree.bounds)? {
                Some(target) => tree.hard_link(path, &target),
                None => refuse(EntryFault::NoTarget),
            }
        }
        // Attributes of all later entries: none of those that are used here.
        EntryType::XGlobalHeader => Ok(()),
        EntryType::Char | EntryType::Block => refuse(EntryFault::Device),
        _ => refuse(EntryFault::Kind),
    }
}
