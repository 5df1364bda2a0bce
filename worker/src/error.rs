//! The crate's one error type.

use std::sync::Arc;
use std::time::Duration;

use warren_protocol::outcome::EngineName;
use warren_runner::wire::WireError;

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of Warren's between a job's arrival and its outcome, never one of the user's program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or failed a request.
    #[error("Docker failed to {doing}: {source}")]
    Engine {
        /// The operation that it was asked for.
        doing: &'static str,
        /// The library's error.
        #[source]
        source: Box<bollard::errors::Error>,
    },
    /// The engine did not answer in time.
    #[error("{} did not {doing} within {} ms", engine.called(), within.as_millis())]
    EngineTimedOut {
        /// The engine.
        engine: EngineName,
        /// The operation that it was asked for.
        doing: &'static str,
        /// The time that the worker waited.
        within: Duration,
    },
    /// The engine accepted a container's configuration but will not enforce all of it.
    #[error(
        "Docker cannot enforce every limit of a container ({0}); enable what it names in the kernel, or choose another host"
    )]
    LimitsNotEnforced(String),
    /// Every user id that containers may have is in use on this host.
    #[error(
        "all {0} users that containers run as are in use on this host; give its workers fewer slots, or wait"
    )]
    UsersTaken(u32),
    /// The native engine's launcher could not be started.
    #[error(
        "cannot start the launcher of sandboxes ({0}); see whether this user may start processes"
    )]
    LauncherNotStarted(#[source] std::io::Error),
    /// The native engine has no launcher now: it failed, or ended.
    #[error("the native engine has no launcher: {0}")]
    LauncherDown(Arc<str>),
    /// The socket to the launcher broke, or what came was no message of this version.
    #[error("the native engine failed to {doing}: {source}")]
    Launcher {
        /// The operation that it was asked for.
        doing: &'static str,
        /// The socket's error.
        #[source]
        source: std::io::Error,
    },
    /// The native engine cannot make sandboxes of this language.
    #[error("the native engine has no template of {language}: {reason}")]
    NoTemplate {
        /// The language.
        language: String,
        /// The launcher's reason, with what to do.
        reason: Arc<str>,
    },
    /// The native engine failed to make a sandbox.
    #[error("the native engine failed to make a sandbox: {0}")]
    NotLaunched(Arc<str>),
    /// The chosen runtime is not one of the daemon's.
    #[error(
        "Docker has no runtime {runtime} (it has {known}); add it to `runtimes` in the daemon's daemon.json and restart the daemon, or name another in {variable}"
    )]
    RuntimeMissing {
        /// The chosen runtime.
        runtime: String,
        /// The runtimes that the daemon has.
        known: String,
        /// The variable that chooses it.
        variable: &'static str,
    },
    /// A base image is neither on this host nor can be pulled.
    #[error(
        "cannot get the image {image} ({reason}); pull it by hand, or name another in {variable}"
    )]
    ImageMissing {
        /// The base image.
        image: String,
        /// The engine's reason.
        reason: String,
        /// The variable that chooses it.
        variable: String,
    },
    /// The derived image could not be built.
    #[error("failed to build the sandbox image on top of {image}: {reason}")]
    ImageBuild {
        /// The base image.
        image: String,
        /// The engine's reason.
        reason: String,
    },
    /// A language's root could not be made.
    #[error(transparent)]
    Root(#[from] warren_rootfs::Error),
    /// No image is configured for the job's language.
    #[error("this worker does not run {0}")]
    UnknownLanguage(String),
    /// PID 1 sent bytes that are no frame.
    #[error("the runner broke the wire format: {0}")]
    Wire(#[from] WireError),
    /// PID 1 sent a frame that was not expected then.
    #[error("the runner sent {0} out of turn")]
    OutOfTurn(&'static str),
    /// PID 1 is of another version.
    #[error("the runner speaks wire version {0}, this worker version {ours}", ours = warren_runner::wire::VERSION)]
    RunnerVersion(u8),
    /// The check of a sandbox from inside did not end as it should.
    #[error(
        "cannot read the sandbox's posture from inside ({0}); see whether its image has this worker's runner"
    )]
    PostureUnread(String),
    /// PID 1 reported that it cannot continue.
    #[error("the runner failed: {0}")]
    RunnerFailed(String),
    /// The container's streams ended before the last verdict.
    #[error("the container ended before its verdict{0}")]
    ContainerDied(String),
    /// The container's streams broke.
    #[error("the connection to the container broke: {0}")]
    Stream(#[source] std::io::Error),
    /// PID 1 sent nothing for longer than any run may take.
    #[error("the runner did not {doing} within {} ms", within.as_millis())]
    RunnerTimedOut {
        /// The step that the worker waited for.
        doing: &'static str,
        /// The time that the worker waited.
        within: Duration,
    },
    /// The job's deadline passed before its program could be started or judged.
    #[error("the job's deadline passed before its program was judged")]
    DeadlinePassed,
    /// The engine has fallen silent, and the job's time is over.
    #[error(
        "this worker's engine does not answer, and the job's time is over; retry in a few seconds; if you operate this service, see the worker's GET /health"
    )]
    EngineSilent,
    /// One of the worker's tasks panicked.
    #[error("the worker failed while {0}; this is a bug in Warren, please report it with the log")]
    Panicked(&'static str),
    /// The queue failed permanently.
    #[error(transparent)]
    Queue(#[from] warren_queue::QueueError),
}
