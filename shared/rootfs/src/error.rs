//! The crate's one error type.

use std::io;
use std::path::{Path, PathBuf};

use crate::faults::Faults;

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The most of a path that a message shows, in characters.
const SHOWN: usize = 200;

/// The reason why a root was not imported. The one that was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The operation.
        doing: &'static str,
        /// Its object.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// An entry is of no kind that a root may have.
    #[error(
        "refused the entry {path:?}: it {fault}; import only images whose maker you trust, or make this one anew"
    )]
    Entry {
        /// Its name, cut to a printable length.
        path: String,
        /// Its fault.
        fault: EntryFault,
    },
    /// The root is larger than is unpacked.
    #[error(
        "the root has more than {most} {what}, which is more than Warren imports; choose a smaller image"
    )]
    TooLarge {
        /// The bound.
        most: u64,
        /// Its unit.
        what: &'static str,
    },
    /// An archive cannot be read.
    #[error("cannot read the archive: {0}; make it anew")]
    Archive(#[source] io::Error),
    /// An archive or directory is of no form that is known.
    #[error("cannot import {}: {problem}", path.display())]
    Source {
        /// Its path.
        path: PathBuf,
        /// The reason and what to do.
        problem: String,
    },
    /// A part of an image does not have the digest that the image names.
    #[error(
        "{what} does not have its digest (named {named}, found {found}), so it is damaged or forged; fetch the image again"
    )]
    Digest {
        /// The part.
        what: &'static str,
        /// The digest that the image names.
        named: String,
        /// The digest that it has.
        found: String,
    },
    /// Another import of the same root does not end.
    #[error(
        "another import into {} is under way and did not end within {} s; see what it waits for, then import again",
        path.display(), within.as_secs()
    )]
    Busy {
        /// The root.
        path: PathBuf,
        /// The time that was waited for.
        within: std::time::Duration,
    },
    /// The directory to be replaced is not a root that an import made.
    #[error(
        "{} exists and was not made by `warren rootfs import`, which would delete it; move it away, or choose another directory", .0.display()
    )]
    NotOurs(PathBuf),
    /// The new root did not pass the check.
    #[error("the new root is not fit for use, and was not put in place: {0}")]
    Unfit(Faults),
}

/// The fault of an archive's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// Its name begins with `/`.
    #[error("has an absolute name")]
    Absolute,
    /// Its name holds `..`.
    #[error("leads upwards with `..`")]
    Upwards,
    /// Its name holds a NUL.
    #[error("has a NUL in its name or target")]
    Nul,
    /// Its name or target is too long.
    #[error("has too long a name or target")]
    Long,
    /// It lies too deep.
    #[error("lies too deep")]
    Deep,
    /// It is a device node.
    #[error("is a device node")]
    Device,
    /// It is a pipe, a socket, or of a kind that is not known.
    #[error("is neither a file, a directory nor a link")]
    Kind,
    /// It lies below something that is no directory, or below a link that leads nowhere.
    #[error("lies below something that is no directory of the root")]
    NoDirectory,
    /// It is a hard link to something that is not there.
    #[error("is a hard link to a file that the root does not have")]
    NoTarget,
    /// It is a whiteout that names nothing.
    #[error("is a whiteout of nothing")]
    Whiteout,
}

impl Error {
    pub(crate) fn entry(name: &[u8], fault: EntryFault) -> Self {
        Self::Entry {
            path: shown(name),
            fault,
        }
    }

    /// Returns a function that makes an error of the system's reason.
    pub(crate) fn io<E: Into<io::Error>>(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io {
            doing,
            path,
            source: source.into(),
        }
    }

    pub(crate) fn source(path: &Path, problem: impl Into<String>) -> Self {
        Self::Source {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// Returns a path that somebody else chose as a message may show it: escaped and cut.
pub(crate) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let text: String = text.chars().flat_map(char::escape_debug).collect();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_no_control_characters_and_no_endless_path() {
        assert_eq!(shown(b"a\x1b[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(shown(&[b'a'; 1_000]).chars().count(), SHOWN + 1);
    }
}
