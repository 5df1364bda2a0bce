//! Failures of the launcher itself.

use std::io;

/// A failure of the launcher.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// The launcher's step, as in "dropping capabilities".
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// An extension of results that names the launcher's step when a system call fails.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| Error::System {
            what,
            source: error.into(),
        })
    }
}
