//! The runner's command line.

use std::time::Duration;

use crate::error::Error;

const USAGE: &str = "usage: warren-runner --max-life SECONDS (1 to 86400), as PID 1 of a container";

/// The longest lifetime that the worker may set, in seconds.
const MAX_LIFE: u64 = 86_400;

/// The arguments that the worker starts the runner with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    /// The time after which the runner ends itself, whatever happens.
    pub(crate) max_life: Duration,
}

impl Args {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let args: Vec<String> = args.into_iter().collect();
        let [name, seconds] = args.as_slice() else {
            return Err(Error::Usage(USAGE));
        };
        match seconds.parse() {
            Ok(seconds @ 1..=MAX_LIFE) if name == "--max-life" => Ok(Self {
                max_life: Duration::from_secs(seconds),
            }),
            _ => Err(Error::Usage(USAGE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Args> {
        Args::parse(line.split_whitespace().map(str::to_owned)).ok()
    }

    #[test]
    fn accepts_a_maximum_life_and_nothing_else() {
        let minute = Args {
            max_life: Duration::from_secs(60),
        };
        assert_eq!(parse("--max-life 60"), Some(minute));
        for wrong in [
            "",
            "--max-life",
            "--max-life 0",
            "--max-life 86401",
            "--max-life -1",
            "--max-life 1 2",
            "60 --max-life",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
