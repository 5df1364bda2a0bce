//! The runner's command line.

use std::time::Duration;

use crate::error::Error;

const USAGE: &str = "usage: warren-runner --max-life SECONDS (1 to 86400), as PID 1 of a container; or warren-runner --posture, as a program in one";

/// The longest lifetime that the worker may set, in seconds.
const MAX_LIFE: u64 = 86_400;

/// The arguments that the worker starts the runner with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Args {
    /// Serve a worker as PID 1.
    Serve {
        /// The time after which the runner ends itself, whatever happens.
        max_life: Duration,
    },
    /// Print the calling process's confinement.
    Posture,
}

impl Args {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let args: Vec<String> = args.into_iter().collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match args.as_slice() {
            ["--posture"] => Ok(Self::Posture),
            ["--max-life", seconds] => match seconds.parse() {
                Ok(seconds @ 1..=MAX_LIFE) => Ok(Self::Serve {
                    max_life: Duration::from_secs(seconds),
                }),
                _ => Err(Error::Usage(USAGE)),
            },
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
    fn accepts_a_maximum_life_or_the_posture_and_nothing_else() {
        let minute = Args::Serve {
            max_life: Duration::from_secs(60),
        };
        assert_eq!(parse("--max-life 60"), Some(minute));
        assert_eq!(parse("--posture"), Some(Args::Posture));
        for wrong in [
            "",
            "--max-life",
            "--max-life 0",
            "--max-life 86401",
            "--max-life -1",
            "--max-life 1 2",
            "60 --max-life",
            "--posture 1",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
