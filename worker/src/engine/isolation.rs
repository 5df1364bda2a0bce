//! The isolation of a job's runs: one sandbox for all, or one for each.

use std::fmt;
use std::str::FromStr;

/// The extent to which the runs of a job share a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// One for all runs of the job, one after the other, each in a fresh process.
    Job,
    /// One for each run, so that no run can find anything of another. They are run at the same time,
    /// as far as slots are free.
    Case,
}

impl Isolation {
    /// The variable that chooses it.
    pub const VARIABLE: &'static str = "WARREN_ISOLATION";
}

impl FromStr for Isolation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "job" => Ok(Self::Job),
            "case" => Ok(Self::Case),
            _ => Err("is neither job nor case"),
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Job => "job",
            Self::Case => "case",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_chosen_by_its_name() {
        for isolation in [Isolation::Job, Isolation::Case] {
            assert_eq!(isolation.to_string().parse(), Ok(isolation));
        }
        for wrong in ["", "Case", "cases", "run"] {
            assert!(wrong.parse::<Isolation>().is_err(), "{wrong}");
        }
    }
}
