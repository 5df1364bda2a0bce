//! The syntaxes that a lexer can read.

use std::str::FromStr;

/// The syntax by which a language's code is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// ECMAScript, as Node.js runs a main file.
    Javascript,
    /// Python 3.
    Python,
    /// None: the code is plain text.
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

impl Syntax {
    /// Returns true for the name of the object that holds the global names.
    pub(super) fn is_global(self, name: &str) -> bool {
        match self {
            Self::Javascript => matches!(name, "globalThis" | "global" | "window"),
            Self::Python => matches!(name, "builtins" | "__builtins__"),
            Self::None => false,
        }
    }

    /// Returns the root of a module's name: `fs` of `node:fs/promises`.
    pub(super) fn module_root(self, name: &str) -> &str {
        let (name, separator) = match self {
            Self::Javascript => (name.strip_prefix("node:").unwrap_or(name), '/'),
            Self::Python | Self::None => (name, '.'),
        };
        name.split(separator).next().unwrap_or(name)
    }
}
