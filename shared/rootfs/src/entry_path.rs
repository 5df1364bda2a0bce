//! A checked path inside a root.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::bounds::Bounds;
use crate::error::{EntryFault, Error, Result, shown};

/// The longest path, in bytes: the kernel takes 4,095, and a root lies below other directories.
const LONGEST: usize = 2_048;

/// A path inside a root: relative, with at least one name, and without `.`, `..` and empty names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntryPath(OsString);

impl EntryPath {
    /// Parses the name of an archive's entry. Returns `None` for the root itself.
    ///
    /// # Errors
    /// It is absolute, leads upwards, is too long or too deep, or holds a NUL.
    pub(crate) fn parse(name: &[u8], bounds: &Bounds) -> Result<Option<Self>> {
        let refuse = |fault| Err(Error::entry(name, fault));
        if name.starts_with(b"/") {
            return refuse(EntryFault::Absolute);
        }
        if name.len() > LONGEST {
            return refuse(EntryFault::Long);
        }
        if name.contains(&0) {
            return refuse(EntryFault::Nul);
        }
        let is_name = |part: &&[u8]| !part.is_empty() && *part != b".";
        let parts: Vec<&[u8]> = name.split(|byte| *byte == b'/').filter(is_name).collect();
        if parts.contains(&&b".."[..]) {
            return refuse(EntryFault::Upwards);
        }
        if parts.len() > bounds.depth {
            return refuse(EntryFault::Deep);
        }
        if parts.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self(OsString::from_vec(parts.join(&b'/')))))
    }

    /// Makes one of a path of the sandbox's that Warren itself names, such as `/etc/hosts`.
    pub(crate) fn own(path: &str) -> Self {
        Self(path.trim_matches('/').into())
    }

    pub(crate) fn as_os_str(&self) -> &OsStr {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns the path of the directory that holds it, empty for the root's own entries; and its
    /// name there.
    pub(crate) fn split(&self) -> (&OsStr, &OsStr) {
        split(self.as_os_str())
    }

    /// Returns the path of an entry in this directory.
    pub(crate) fn join(&self, name: &OsStr) -> Self {
        let mut path = self.0.clone();
        path.push("/");
        path.push(name);
        Self(path)
    }

    /// Returns it as the sandbox sees it, cut to a length that a message can hold.
    pub(crate) fn shown(&self) -> String {
        format!("/{}", shown(self.as_bytes()))
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Splits a path as [`EntryPath::split`] does.
pub(crate) fn split(path: &OsStr) -> (&OsStr, &OsStr) {
    let bytes = path.as_bytes();
    match bytes.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (
            OsStr::from_bytes(&bytes[..slash]),
            OsStr::from_bytes(&bytes[slash + 1..]),
        ),
        None => (OsStr::new(""), path),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(name: &str) -> Result<Option<EntryPath>> {
        EntryPath::parse(name.as_bytes(), &Bounds::default())
    }

    #[test]
    fn the_usual_forms_of_a_name_are_one_path() {
        for name in ["a/b", "./a/b", "a//b/", "a/./b/."] {
            let path = parse(name).unwrap().unwrap();
            assert_eq!(path.as_os_str(), "a/b", "{name}");
            assert_eq!(path.split(), (OsStr::new("a"), OsStr::new("b")));
            assert_eq!(path.shown(), "/a/b");
        }
        for root in ["", ".", "./", "./."] {
            assert_eq!(parse(root).unwrap(), None, "{root}");
        }
        let top = parse("a").unwrap().unwrap();
        assert_eq!(top.split(), (OsStr::new(""), OsStr::new("a")));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let deep = "a/".repeat(129);
        let long = "a".repeat(2_049);
        for (name, expected) in [
            ("/etc/passwd", EntryFault::Absolute),
            ("//etc", EntryFault::Absolute),
            ("..", EntryFault::Upwards),
            ("a/../../b", EntryFault::Upwards),
            ("a/..", EntryFault::Upwards),
            ("a\0b", EntryFault::Nul),
            (&deep, EntryFault::Deep),
            (&long, EntryFault::Long),
        ] {
            match parse(name) {
                Err(Error::Entry { fault, .. }) => assert_eq!(fault, expected, "{name:?}"),
                other => panic!("{name:?}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_parsed_stays_inside(name in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(Some(path)) = EntryPath::parse(&name, &Bounds::default()) {
                let parts: Vec<&[u8]> = path.as_bytes().split(|byte| *byte == b'/').collect();
                prop_assert!(parts.iter().all(|part| !part.is_empty() && *part != b"." && *part != b".."));
            }
        }
    }
}
