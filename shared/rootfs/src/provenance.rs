//! The record of what a root was made from.

use serde::{Deserialize, Serialize};

use crate::entry_path::EntryPath;
use crate::error::{Error, Result};
use crate::tree::Tree;

/// Its place in the root. Everybody may read it: a worker need not be the user that imported.
pub(crate) const PLACE: &str = "/.warren/root.json";

/// The longest record that is read, in bytes.
pub(crate) const LONGEST: u64 = 64 << 10;

/// The source of a root, as it was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its name: an image's reference, or the path of an archive or directory.
    pub name: String,
    /// The image's id, which is the digest of its configuration (`sha256:…`), if it is an image.
    pub id: Option<String>,
    /// The image's search path for programs (`PATH`), if it sets one.
    pub path: Option<String>,
    /// Whether the operator named it, rather than the configuration.
    pub chosen: bool,
}

/// The record that a root holds of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Its source.
    pub origin: Origin,
    /// The digest of what it got besides: another one means that it is outdated.
    pub recipe: String,
    /// The number of entries that were unpacked.
    pub entries: u64,
    /// The number of bytes that were unpacked.
    pub bytes: u64,
}

impl Provenance {
    /// Parses a record; `None` if it is none.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Writes it into the tree.
    pub(crate) fn write(&self, tree: &mut Tree) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::Archive(error.into()))?;
        let at = EntryPath::own(PLACE);
        tree.file(&at, 0o444, None, &mut text.as_slice())
    }
}
