//! The most that an import unpacks.

/// The bounds of one import. An archive of a few kilobytes can hold more than any disk, so each is
/// counted while unpacking, and none is believed from a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The bytes of all files together, those of replaced and left-out ones included.
    pub bytes: u64,
    /// The bytes of one file.
    pub file: u64,
    /// The files, directories and links together, those of replaced and left-out ones included.
    pub entries: u64,
    /// The directories above an entry, in its name and in the tree.
    pub depth: usize,
}

impl Default for Bounds {
    /// The largest of the usual images (a scientific Python, say) has a fifth of this.
    fn default() -> Self {
        Self {
            bytes: 16 << 30,
            file: 4 << 30,
            entries: 1_000_000,
            depth: 128,
        }
    }
}
