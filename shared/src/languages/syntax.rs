//! The syntaxes whose code can be told from its comments and strings.

use std::str::FromStr;

/// How a language's code is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// ECMAScript, as Node.js runs a main file.
    Javascript,
    /// Python 3.
    Python,
    /// Not at all: all of it is plain text.
    None,
}

impl FromStr for Syntax {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "javascript" => Ok(Self::Javascript),
            "python" => Ok(Self::Python),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}
