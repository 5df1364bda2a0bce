//! Whether the forbidden patterns are enforced.

use std::str::FromStr;

/// Whether the forbidden patterns are enforced (`WARREN_POLICY=off` switches them off).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyMode {
    /// Code that matches a pattern is refused.
    #[default]
    Enforce,
    /// The operator relies on the container alone.
    Off,
}

impl FromStr for PolicyMode {
    type Err = InvalidPolicy;

    /// `on` or `off`, in any case of letters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("on") {
            Ok(Self::Enforce)
        } else if text.eq_ignore_ascii_case("off") {
            Ok(Self::Off)
        } else {
            Err(InvalidPolicy(text.to_owned()))
        }
    }
}

/// A policy that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither \"on\" (forbidden patterns are refused) nor \"off\" (the container alone holds the code)"
)]
pub struct InvalidPolicy(String);
