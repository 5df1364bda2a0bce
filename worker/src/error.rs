//! The crate's one error type.

use std::time::Duration;

use warren_runner::wire::WireError;

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What of ours can fail between a job's arrival and its outcome. What the user's program does
/// is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or failed a request.
    #[error("Docker failed to {doing}: {source}")]
    Engine {
        /// What was asked of it.
        doing: &'static str,
        /// What the library says.
        #[source]
        source: Box<bollard::errors::Error>,
    },
    /// The engine did not answer in time.
    #[error("Docker did not {doing} within {} ms", within.as_millis())]
    EngineTimedOut {
        /// What was asked of it.
        doing: &'static str,
        /// How long we waited.
        within: Duration,
    },
    /// The engine took a container's configuration but will not enforce all of it.
    #[error(
        "Docker would not enforce every limit of a container ({0}); enable what it names in the kernel or choose another host"
    )]
    LimitsNotEnforced(String),
    /// The chosen runtime is not one of the daemon's.
    #[error(
        "Docker has no runtime {runtime} (it has {known}); add it to `runtimes` in the daemon's daemon.json and restart the daemon, or name another in {variable}",
        variable = crate::engine::docker::RUNTIME_VARIABLE
    )]
    RuntimeMissing {
        /// The one that was chosen.
        runtime: String,
        /// Those that there are.
        known: String,
    },
    /// A base image is neither here nor to be had.
    #[error(
        "the image {image} cannot be had ({reason}); pull it by hand or name another in {variable}"
    )]
    ImageMissing {
        /// The base image.
        image: String,
        /// What the engine says.
        reason: String,
        /// The variable that chooses it.
        variable: String,
    },
    /// The derived image could not be built.
    #[error("the sandbox image on top of {image} could not be built: {reason}")]
    ImageBuild {
        /// The base image.
        image: String,
        /// What the engine says.
        reason: String,
    },
    /// No image is configured for the job's language.
    #[error("this worker does not run {0}")]
    UnknownLanguage(String),
    /// PID 1 sent what is not a frame of ours.
    #[error("the runner broke the wire format: {0}")]
    Wire(#[from] WireError),
    /// PID 1 sent a frame that has no place there.
    #[error("the runner sent {0} out of turn")]
    OutOfTurn(&'static str),
    /// PID 1 is of another version.
    #[error("the runner speaks wire version {0}, this worker version {ours}", ours = warren_runner::wire::VERSION)]
    RunnerVersion(u8),
    /// PID 1 said that it cannot go on.
    #[error("the runner failed: {0}")]
    RunnerFailed(String),
    /// The container's streams ended before the last verdict.
    #[error("the container ended before its verdict{0}")]
    ContainerDied(String),
    /// The container's streams broke.
    #[error("the connection to the container broke: {0}")]
    Stream(#[source] std::io::Error),
    /// PID 1 said nothing for longer than any run may take.
    #[error("the runner did not {doing} within {} ms", within.as_millis())]
    RunnerTimedOut {
        /// What was waited for.
        doing: &'static str,
        /// How long we waited.
        within: Duration,
    },
    /// The job's deadline passed before its program could be started or judged.
    #[error("the job's deadline passed before its program was judged")]
    DeadlinePassed,
    /// The engine has fallen silent, and the job's time is over.
    #[error(
        "this worker's Docker does not answer, and the job's time is over; try again in a few seconds, and if you operate this service, see the worker's GET /health"
    )]
    EngineSilent,
    /// A task of ours panicked.
    #[error("the worker failed while {0}; this is a bug, please report it with the log")]
    Panicked(&'static str),
    /// The queue failed for good.
    #[error(transparent)]
    Queue(#[from] warren_queue::QueueError),
}
