//! Tells apart and opens what a root can be made from: directories and archives.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::archive::{ImageArchive, LAYOUT};
use crate::directory;
use crate::error::{Error, Result};
use crate::layer::unpack_flat;
use crate::provenance::Origin;
use crate::tree::Tree;

/// Something on this machine that a root can be made from.
pub struct Source {
    path: PathBuf,
    kind: SourceKind,
}

enum SourceKind {
    /// The root itself, as a directory.
    Directory,
    /// The root itself, as a tar archive.
    Flat,
    /// An image.
    Image(Box<ImageArchive>),
}

impl Source {
    /// Opens a path: a directory, an OCI image layout (a directory or a tar archive), what `docker save`
    /// writes, or a tar archive of a whole root, such as `docker export` writes.
    ///
    /// # Errors
    /// It is none of these, cannot be read, or does not have one image for this machine.
    pub fn open(path: &Path) -> Result<Self> {
        let found = path.metadata().map_err(Error::io("look at", path))?;
        let kind = if found.is_dir() {
            if path.join(LAYOUT).is_file() {
                SourceKind::Image(Box::new(ImageArchive::of_directory(path)?))
            } else {
                SourceKind::Directory
            }
        } else {
            refuse_compressed(path)?;
            match ImageArchive::of_tar(path)? {
                Some(image) => SourceKind::Image(Box::new(image)),
                None => SourceKind::Flat,
            }
        };
        let path = path.canonicalize().map_err(Error::io("look at", path))?;
        Ok(Self { path, kind })
    }

    /// Returns the origin of a root that is made from it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let image = match &self.kind {
            SourceKind::Image(image) => Some(image),
            SourceKind::Directory | SourceKind::Flat => None,
        };
        let name = image.and_then(|image| image.name.clone());
        Origin {
            name: name.unwrap_or_else(|| self.path.display().to_string()),
            id: image.map(|image| image.id.clone()),
            path: image.and_then(|image| image.search_path.clone()),
            chosen: true,
        }
    }

    /// Unpacks or copies it.
    ///
    /// # Errors
    /// It is damaged, holds something that no root may have, or is too large.
    pub fn unpack(&self, tree: &mut Tree) -> Result<()> {
        match &self.kind {
            SourceKind::Directory => directory::copy(tree, &self.path),
            SourceKind::Flat => {
                let file = File::open(&self.path).map_err(Error::io("open", &self.path))?;
                unpack_flat(tree, std::io::BufReader::new(file))
            }
            SourceKind::Image(image) => image.unpack(tree),
        }
    }
}

/// Refuses a compressed archive: its files could not be found by their places.
fn refuse_compressed(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io("open", path))?;
    let read = file.take(6).read_to_end(&mut start);
    read.map_err(Error::io("read", path))?;
    let unpack = match &start[..] {
        [0x1f, 0x8b, ..] => "gunzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "unzstd",
        [0xfd, b'7', b'z', b'X', b'Z', 0] => "unxz",
        [b'B', b'Z', b'h', ..] => "bunzip2",
        _ => return Ok(()),
    };
    let problem = format!("it is compressed as a whole; unpack it first: {unpack}");
    Err(Error::source(path, problem))
}
