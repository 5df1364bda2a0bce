//! The decision to keep or to drop a used network namespace. Pure.

use std::time::Duration;

/// The most sandboxes that one namespace serves, one after the other.
const MAX_USES: u32 = 1_000;

/// The longest time for which one serves.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The result of an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It serves another sandbox.
    Kept,
    /// A sandbox has left a trace in it, or that cannot be told.
    Used,
    /// It has served often or long enough.
    Worn,
}

/// Decides about a namespace that has served `uses` sandboxes.
pub(super) fn verdict(as_new: bool, uses: u32, age: Duration) -> Verdict {
    match () {
        () if !as_new => Verdict::Used,
        () if uses >= MAX_USES || age >= MAX_AGE => Verdict::Worn,
        () => Verdict::Kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_kept_until_it_is_used_or_worn() {
        let young = Duration::from_secs(1);
        assert_eq!(verdict(true, 1, young), Verdict::Kept);
        assert_eq!(verdict(true, 999, young), Verdict::Kept);
        assert_eq!(verdict(true, 1_000, young), Verdict::Worn);
        assert_eq!(verdict(true, 1, MAX_AGE), Verdict::Worn);
        assert_eq!(verdict(false, 1, young), Verdict::Used);
    }
}
