//! Parking: starting a language's interpreter ahead of its program, which it waits for.

use regex::{Regex, RegexBuilder};

use super::fault::Problem;

/// The most memory the compiled exception may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The programs for which an interpreter can be parked, waiting where it opens its source file.
#[derive(Debug)]
pub(super) enum Parking {
    /// None: it cannot wait, or this has not been tried.
    Never,
    /// All programs.
    Always,
    /// All but those that match, which cannot be read through a pipe.
    Unless(Regex),
}

impl Parking {
    /// Reads `park` and `park_unless` of a stanza.
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

    /// Returns true if the interpreter can be parked at all.
    pub(super) fn is_possible(&self) -> bool {
        !matches!(self, Self::Never)
    }

    /// Returns true if a parked interpreter can read this program.
    pub(super) fn suits(&self, code: &str) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Unless(pattern) => !pattern.is_match(code),
        }
    }
}
