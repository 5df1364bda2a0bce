//! The parent group: how it was chosen, and the names in its path.

use std::path::Path;

/// The way in which the parent was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is this process's own group, with what belongs to the same service.
    Own,
    /// The operator named it.
    Named,
}

/// Returns the names in a path below a hierarchy's root.
pub(super) fn parts(path: &Path) -> impl Iterator<Item = String> {
    path.components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
}
