//! Whether a language's interpreter can be started ahead of its program and wait for it.

use regex::{Regex, RegexBuilder};

use super::fault::Problem;

/// The most memory the compiled exception may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Whether the interpreter can wait where it opens its source file.
#[derive(Debug)]
pub(super) enum Parking {
    /// It cannot, or nobody has tried.
    Never,
    /// It can, for programs of any text.
    Always,
    /// It can, but programs that match cannot be read through a pipe.
    Unless(Regex),
}

impl Parking {
    /// From `park` and `park_unless` of a stanza.
    pub(super) fn parse(park: bool, unless: Option<&str>) -> Result<Self, Problem> {
        match (park, unless) {
            (false, None) => Ok(Self::Never),
            (false, Some(_)) => Err(Problem::ParkUnlessAlone),
            (true, None) => Ok(Self::Always),
            (true, Some(pattern)) => RegexBuilder::new(pattern)
                .size_limit(MAX_PATTERN_BYTES)
                .build()
                .map(Self::Unless)
                .map_err(|error| Problem::ParkUnless(Box::new(error))),
        }
    }

    /// Whether it is done at all.
    pub(super) fn is_possible(&self) -> bool {
        !matches!(self, Self::Never)
    }

    /// Whether a parked interpreter can read this program.
    pub(super) fn suits(&self, code: &str) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Unless(pattern) => !pattern.is_match(code),
        }
    }
}
