//! The names that rules and loaders speak of, and sets of them.

use std::collections::HashMap;

/// The most names that are watched. Further names of a rule file count as never redefined.
const MAX_NAMES: usize = 128;

/// A set of watched names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(pub(super) u128);

impl Set {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The names whose definitions are looked for: those that rules and loaders speak of.
#[derive(Debug)]
pub(crate) struct Watched {
    names: HashMap<String, Set>,
}

impl Watched {
    /// Watches the first [`MAX_NAMES`] different names.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut watched = HashMap::new();
        for name in names {
            let next = watched.len();
            if next < MAX_NAMES {
                watched.entry(name.to_owned()).or_insert(Set(1 << next));
            }
        }
        Self { names: watched }
    }

    pub(super) fn set(&self, name: &str) -> Set {
        self.names.get(name).copied().unwrap_or_default()
    }
}
