//! The part of a worker's time that unattended jobs have while callers come.

use std::fmt;
use std::str::FromStr;

/// A part of the slots' time, from [`Share::LEAST`] to 1.
///
/// A quarter by default. A caller then meets at most one container's start on four slots beside its
/// own, and a batch makes progress however many callers come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// The environment variable that sets it.
    pub const VARIABLE: &str = "WARREN_UNATTENDED_SHARE";
    /// The smallest share: with less, a batch would never end.
    pub const LEAST: f64 = 0.01;

    /// Returns the slots that this share of `slots` amounts to, often not a whole number.
    pub(super) fn of_slots(self, slots: usize) -> f64 {
        let slots = u16::try_from(slots).unwrap_or(u16::MAX);
        self.0 * f64::from(slots)
    }
}

impl Default for Share {
    fn default() -> Self {
        Self(0.25)
    }
}

impl FromStr for Share {
    type Err = InvalidShare;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share: f64 = text.parse().map_err(|_not_a_number| InvalidShare)?;
        if (Self::LEAST..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(InvalidShare)
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not a valid share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be a number from 0.01 to 1, such as 0.25 for a quarter of the slots' time")]
pub struct InvalidShare;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_and_never_zero() {
        for good in ["0.01", "0.25", "1", "1.0"] {
            assert!(good.parse::<Share>().is_ok(), "{good}");
        }
        for bad in [
            "0",
            "0.009",
            "1.01",
            "-0.5",
            "NaN",
            "inf",
            "a quarter",
            "25%",
        ] {
            assert_eq!(bad.parse::<Share>(), Err(InvalidShare), "{bad}");
        }
    }
}
