//! Failures of the runner itself. A program that fails is no error.

use std::io;

use warren_runner::wire::WireError;

/// A failure of the runner or of what it was given. Its text never holds the user's data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(&'static str),
    #[error(
        "warren-runner kills every process that it can see, so it runs only as PID 1 of a container (this is PID {0}); start it through the worker"
    )]
    NotInit(u32),
    /// The worker closed its end, so nobody waits for an answer.
    #[error("the worker closed its end")]
    WorkerGone,
    #[error(
        "the runner's time (--max-life) is over; the worker should have removed this container before"
    )]
    LifeOver,
    #[error("the worker did not read a frame in time; it or its connection to the engine hangs")]
    WorkerStuck,
    #[error(
        "the worker and the runner do not have the same wire format; rebuild the image, so that both have one version"
    )]
    Wire(#[from] WireError),
    #[error("the worker sent a job that cannot be run: {0}")]
    BadJob(&'static str),
    #[error(
        "failed to start `{program}` ({source}); the image must have it on its PATH, readable by every user"
    )]
    Start { program: String, source: io::Error },
    #[error(
        "cannot park `{program}`: it {how}; turn parking off for this language, or give it a command that reads its source file by its name"
    )]
    NotParked { program: String, how: String },
    #[error("failed to build the system-call filter: a call's rules are longer than a jump")]
    Filter,
    #[error("failed to build the Landlock ruleset: {0}")]
    Landlock(#[from] landlock::RulesetError),
    #[error("failed to empty the scratch directory in time; the job's other runs are not run")]
    ScratchStuck,
    #[error("failed to end all processes; this container cannot be used further")]
    Unkillable,
    #[error("{what}: {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

impl Error {
    /// Returns whether the worker is still there to receive it.
    pub(crate) fn is_worth_reporting(&self) -> bool {
        !matches!(self, Self::WorkerGone | Self::WorkerStuck | Self::LifeOver)
    }

    /// Returns whether a run that failed to begin in this way, and those after it, are simply not run.
    ///
    /// After another run of the same program, that is so whatever failed: the program may have left
    /// the directory full, the kernel's tables, or the last of the container's memory. The engine
    /// throws that away with the container. Before any program has run, only lack of time is.
    pub(crate) fn ends_the_runs(&self, has_run: bool) -> bool {
        match self {
            Self::ScratchStuck => true,
            Self::System { .. } | Self::Start { .. } => has_run,
            _ => false,
        }
    }
}

/// An extension of results that names the runner's step when a system call fails.
pub(crate) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| Error::System {
            what,
            source: error.into(),
        })
    }
}
