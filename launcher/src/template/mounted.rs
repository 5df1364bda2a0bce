//! Names the target of a failed mount.

use std::path::Path;

use rustix::io::Errno;

use crate::error::Error;

/// Returns a mount's result with its target.
pub(super) fn mounted(target: &Path, result: Result<(), Errno>) -> Result<(), Error> {
    result.map_err(|errno| Error::Mount {
        target: target.to_owned(),
        source: errno.into(),
    })
}
