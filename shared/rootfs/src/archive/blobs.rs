//! The files of an image archive, by name, in a directory or tar archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Take};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tar::{Archive, EntryType};

use crate::bounds::Bounds;
use crate::entry_path::EntryPath;
use crate::error::{Error, Result};
use crate::hash::{self, Hashing};

/// The most files of an archive; an image has at most 127 layers, and a few for each.
const MOST: usize = 10_000;
/// The largest file that is read whole, in bytes: registries take no larger manifests.
const LARGEST: u64 = 4 << 20;

/// The files of an image archive.
pub(super) enum Blobs {
    /// Below a directory.
    Directory(PathBuf),
    /// In an uncompressed tar archive, each at a place and of a length.
    Tar {
        path: PathBuf,
        places: BTreeMap<String, Spot>,
    },
}

/// The place of a file in a tar archive.
pub(super) enum Spot {
    /// From this byte on, this many.
    Bytes { start: u64, length: u64 },
    /// Where the file of that name is.
    Link(String),
}

impl Blobs {
    /// Lists the files of a tar archive.
    ///
    /// # Errors
    /// It cannot be read, or has too many.
    pub(super) fn of_tar(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut archive = Archive::new(file);
        let mut places = BTreeMap::new();
        for entry in archive.entries_with_seek().map_err(Error::Archive)? {
            let entry = entry.map_err(Error::Archive)?;
            let name = normal(&entry.path_bytes());
            let place = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => Spot::Bytes {
                    start: entry.raw_file_position(),
                    length: entry.size(),
                },
                // Docker before 25 saves a layer that two images have once, and links to it.
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    Spot::Link(target_of(&name, &target, entry.header().entry_type()))
                }
                _ => continue,
            };
            if places.len() == MOST {
                let problem = format!("it has more than {MOST} files, so it is no image");
                return Err(Error::source(path, problem));
            }
            places.insert(name, place);
        }
        let path = path.to_owned();
        Ok(Self::Tar { path, places })
    }

    /// Returns the path of the whole, for messages.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Tar { path, .. } => path,
        }
    }

    /// Opens the file of that name. Returns its content and its length; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(&self, name: &str) -> Result<Option<(Take<File>, u64)>> {
        let opened = match self {
            Self::Directory(path) => open_in(path, name)?,
            Self::Tar { path, places } => {
                let place = match places.get(name) {
                    Some(Spot::Link(target)) => places.get(target),
                    other => other,
                };
                let Some(Spot::Bytes { start, length }) = place else {
                    return Ok(None);
                };
                let mut file = File::open(path).map_err(Error::io("open", path))?;
                let start = SeekFrom::Start(*start);
                file.seek(start).map_err(Error::io("read", path))?;
                Some((file, *length))
            }
        };
        Ok(opened.map(|(file, length)| (file.take(length), length)))
    }

    /// Reads a small file whole; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((mut file, length)) = self.open(name)? else {
            return Ok(None);
        };
        if length > LARGEST {
            let problem = format!("its {name} is larger than {LARGEST} bytes, so it is no image");
            return Err(Error::source(self.path(), problem));
        }
        let mut content = Vec::new();
        let read = file.read_to_end(&mut content);
        read.map_err(Error::io("read", self.path()))?;
        Ok(Some(content))
    }

    /// Opens the blob of that digest (OCI image layout). What is read has to be finished with
    /// [`Blob::finish`].
    ///
    /// # Errors
    /// It is missing, has another length, or its digest is not SHA-256.
    pub(super) fn blob(&self, what: &'static str, digest: &str, size: Option<u64>) -> Result<Blob> {
        let Some(digits) = hash::digits(digest) else {
            let problem = format!("the digest of its {what} is not SHA-256 ({digest:.80?})");
            return Err(Error::source(self.path(), problem));
        };
        self.named(what, &format!("blobs/sha256/{digits}"), Some(digest), size)
    }

    /// Opens a file that has to be there, and to have that digest if one is named.
    ///
    /// # Errors
    /// It is missing, or has another length.
    pub(super) fn named(
        &self,
        what: &'static str,
        name: &str,
        digest: Option<&str>,
        size: Option<u64>,
    ) -> Result<Blob> {
        let Some((file, length)) = self.open(name)? else {
            let problem = format!("its {what} {name:.200?} is missing; save the image again");
            return Err(Error::source(self.path(), problem));
        };
        if size.is_some_and(|size| size != length) {
            let problem = format!(
                "its {what} {name:.200?} has another length than is named; save the image again"
            );
            return Err(Error::source(self.path(), problem));
        }
        Ok(Blob {
            what,
            digest: digest.map(str::to_owned),
            length,
            file: Hashing::new(file),
        })
    }
}

/// A file of an image, which is hashed while it is read.
pub(super) struct Blob {
    what: &'static str,
    digest: Option<String>,
    length: u64,
    file: Hashing<Take<File>>,
}

impl Blob {
    /// Reads it whole and checks its digest.
    ///
    /// # Errors
    /// It cannot be read, is too large, or does not have its digest.
    pub(super) fn whole(mut self) -> Result<Vec<u8>> {
        if self.length > LARGEST {
            let most = LARGEST;
            let what = "bytes in its description";
            return Err(Error::TooLarge { most, what });
        }
        let mut content = Vec::new();
        self.read_to_end(&mut content).map_err(Error::Archive)?;
        self.finish()?;
        Ok(content)
    }

    /// Reads the rest and checks the digest.
    ///
    /// # Errors
    /// It cannot be read, or does not have its digest.
    pub(super) fn finish(self) -> Result<()> {
        let found = self.file.finish(self.length).map_err(Error::Archive)?;
        match_digest(self.what, self.digest.as_deref(), found)
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(buffer)
    }
}

/// Compares the digest that an image names with the one that was found; `None` if there was too much.
pub(super) fn match_digest(
    what: &'static str,
    named: Option<&str>,
    found: Option<String>,
) -> Result<()> {
    match (named, found) {
        (None, _) => Ok(()),
        (Some(named), Some(found)) if named == found => Ok(()),
        (Some(named), found) => Err(Error::Digest {
            what,
            named: named.to_owned(),
            found: found.unwrap_or_else(|| "more bytes than it may have".to_owned()),
        }),
    }
}

/// Opens a regular file of an image layout.
fn open_in(directory: &Path, name: &str) -> Result<Option<(File, u64)>> {
    // Names come from the image: none may lead elsewhere.
    let Some(name) = EntryPath::parse(name.as_bytes(), &Bounds::default())? else {
        return Ok(None);
    };
    let path = directory.join(name.as_os_str());
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(&path);
    let file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(Error::io("open", &path))?,
    };
    let found = file.metadata().map_err(Error::io("look at", &path))?;
    Ok(found.is_file().then_some((file, found.len())))
}

/// Returns a name in an archive without the forms of `.`.
fn normal(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let parts = name
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// Returns the name in the archive that a link leads to. It is only looked up in the archive's list.
fn target_of(link: &str, target: &[u8], kind: EntryType) -> String {
    let target = String::from_utf8_lossy(target);
    let mut parts: Vec<&str> = match kind {
        EntryType::Symlink => link.split('/').collect(),
        _ => vec![""],
    };
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_older_dockers_lead_to_their_layers() {
        let target = |link, target: &str, kind| target_of(link, target.as_bytes(), kind);
        assert_eq!(
            target("a/layer.tar", "../b/layer.tar", EntryType::Symlink),
            "b/layer.tar"
        );
        assert_eq!(
            target("a/layer.tar", "b/layer.tar", EntryType::Link),
            "b/layer.tar"
        );
        assert_eq!(
            target("a", "../../../etc/passwd", EntryType::Symlink),
            "etc/passwd"
        );
        assert_eq!(normal(b"./blobs//sha256/0a"), "blobs/sha256/0a");
    }
}
