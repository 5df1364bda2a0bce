//! The names of the groups that Warren makes.

use super::error::{Error, Result};

/// The group with a service's processes, beside those with sandboxes: in version 2 a group has either
/// processes or children with controllers.
pub(super) const LEAF: &str = "launcher";

/// The beginning of a launcher's group's name.
const PREFIX: &str = "warren-";

/// The beginning of the name of a group with one CPU.
const CORE: &str = "core-";

/// The most characters of a name that is chosen elsewhere.
const MAX_NAME: usize = 64;

/// Returns the name of an instance's group.
pub(super) fn home(instance: &str) -> Result<String> {
    Ok(format!("{PREFIX}{}", checked(instance)?))
}

/// Returns the name of a sandbox's group.
pub(super) fn sandbox(name: &str) -> Result<&str> {
    checked(name).and_then(|name| {
        is_sandbox(name)
            .then_some(name)
            .ok_or_else(|| Error::Name(name.to_owned()))
    })
}

/// Returns a name if it can be a directory's.
fn checked(name: &str) -> Result<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fits = (1..=MAX_NAME).contains(&name.len());
    (fits && name.chars().all(is_plain) && !name.starts_with('.'))
        .then_some(name)
        .ok_or_else(|| Error::Name(name.chars().take(MAX_NAME).collect()))
}

/// Returns whether it is the name of a launcher's group.
pub(super) fn is_home(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Returns whether it is the name of a group with a service's own processes.
pub(super) fn is_leaf(name: &str) -> bool {
    name == LEAF
}

/// Returns the name of the group with one CPU.
pub(super) fn core(cpu: u32) -> String {
    format!("{CORE}{cpu}")
}

/// Returns whether a group in a launcher's is a sandbox's.
pub(super) fn is_sandbox(name: &str) -> bool {
    !is_leaf(name) && !name.starts_with(CORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_directory() {
        assert_eq!(home("a-1.b_C").unwrap(), "warren-a-1.b_C");
        for bad in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(home(bad).is_err(), "{bad}");
        }
        for taken in ["launcher", "core-0"] {
            assert!(sandbox(taken).is_err() && home(taken).is_ok(), "{taken}");
        }
    }
}
