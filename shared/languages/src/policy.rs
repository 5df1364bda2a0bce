//! The policy on forbidden code: enforced or off.

use std::str::FromStr;

/// The policy on forbidden code (`WARREN_POLICY=off` switches the rules off).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyMode {
    /// Code that breaks a rule is refused.
    #[default]
    Enforce,
    /// The operator relies on the container alone.
    Off,
}

impl FromStr for PolicyMode {
    type Err = InvalidPolicy;

    /// Reads `on` or `off`, in any case of letters.
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

/// A policy that is neither of the two.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither \"on\" (forbidden code is refused) nor \"off\" (the container alone holds the code); use one of them"
)]
pub struct InvalidPolicy(String);
