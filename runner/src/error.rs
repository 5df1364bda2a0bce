//! What can go wrong with the runner itself. A program that fails is no error.

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
    /// The worker closed its end: nobody waits for an answer any more.
    #[error("the worker closed its end")]
    WorkerGone,
    #[error(
        "the runner's time (--max-life) is over; the worker should have removed this container before"
    )]
    LifeOver,
    #[error(
        "the worker did not read a frame in time; it hangs, or its connection to the engine does"
    )]
    WorkerStuck,
    #[error(
        "the worker and the runner do not speak the same language; rebuild the image, so that both are of one version"
    )]
    Wire(#[from] WireError),
    #[error("the worker sent a job that cannot be run: {0}")]
    BadJob(&'static str),
    #[error(
        "`{program}` could not be started; does the image have it on its PATH, readable by every user? ({source})"
    )]
    Start { program: String, source: io::Error },
    #[error(
        "`{program}` cannot be parked: it {how}; turn parking off for this language, or give it a command that reads its source file by its name"
    )]
    NotParked { program: String, how: String },
    #[error("the parked interpreter did not take its program in time")]
    GateStuck,
    #[error("the system-call filter could not be built: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("the scratch directory could not be emptied in time")]
    ScratchStuck,
    #[error("processes of the last run could not be ended; this container cannot be used further")]
    Unkillable,
    #[error("{what}: {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

impl Error {
    /// Whether there is somebody left to hear of it.
    pub(crate) fn is_worth_telling(&self) -> bool {
        !matches!(self, Self::WorkerGone | Self::WorkerStuck | Self::LifeOver)
    }
}

/// Says what the runner was doing when a system call failed.
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
