//! The decision to keep or to drop a used network namespace. Pure.

use std::time::Duration;

/// The most sandboxes that one namespace serves, one after the other.
const MAX_USES: u32 = 1_000;

/// The longest time for which one serves.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The result of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It serves another sandbox.
    Kept,
    /// A sandbox has left a trace in it, or that cannot be told.
    Used,
    /// It has served often or long enough.
    Worn,
}

/// Decides about a namespace that has served `uses` sandboxes.
pub(super) fn finding(as_new: bool, uses: u32, age: Duration) -> Finding {
    match () {
        () if !as_new => Finding::Used,
        () if uses >= MAX_USES || age >= MAX_AGE => Finding::Worn,
        () => Finding::Kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_kept_until_it_is_used_or_worn() {
        let young = Duration::from_secs(1);
        assert_eq!(finding(true, 1, young), Finding::Kept);
        assert_eq!(finding(true, 999, young), Finding::Kept);
        assert_eq!(finding(true, 1_000, young), Finding::Worn);
        assert_eq!(finding(true, 1, MAX_AGE), Finding::Worn);
        assert_eq!(finding(false, 1, young), Finding::Used);
    }
}
