//! The `Engine` seam: makes hardened containers.

mod choice;
pub mod core;
pub mod docker;
mod isolation;
pub mod native;
mod uids;

pub use choice::EngineChoice;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::io::AsyncWrite;
use warren_languages::LanguageName;
use warren_protocol::ids::JobId;
use warren_protocol::limits::Limits;
use warren_protocol::outcome::EngineName;

use self::core::Core;
pub use self::isolation::Isolation;
use crate::Result;

pub(crate) use warren_rootfs::RUNNER;

/// The static runner, built by `build.rs`.
pub(crate) const RUNNER_BINARY: &[u8] = include_bytes!(env!("WARREN_RUNNER_BINARY"));

/// An engine that makes hardened containers with the runner as PID 1, and removes lost ones.
pub trait Engine: Send + Sync + 'static {
    /// Returns its name in answers and reports.
    fn name(&self) -> EngineName;

    /// Returns what a container costs to start and to remove.
    fn effort(&self) -> Effort;

    /// Prepares what launches need, such as images. Returns once it has tried everything. A language
    /// that failed is retried at its next launch.
    ///
    /// # Errors
    /// No language can be run yet.
    fn prepare(&self) -> BoxFuture<'_, Result<()>>;

    /// Starts a fresh container. Bounded in time.
    ///
    /// # Errors
    /// There is no container. Nothing is left of the attempt, or a sweep will remove it.
    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Container>>;

    /// Removes containers whose owner is gone, no matter which worker made them.
    ///
    /// # Errors
    /// The engine cannot be asked.
    fn sweep(&self) -> BoxFuture<'_, Result<Swept>>;

    /// Returns the isolation of runs that the price of its containers allows; an operator may choose
    /// another.
    fn isolation(&self) -> Isolation;

    /// Checks the engine's health. Starts to remake missing images in the background. Not bounded in
    /// time: the caller knows how long is too long.
    ///
    /// # Errors
    /// It does not answer, or cannot be used.
    fn check(&self) -> BoxFuture<'_, Result<EngineReport>>;

    /// Describes itself and its host.
    ///
    /// # Errors
    /// It does not answer.
    fn host(&self) -> BoxFuture<'_, Result<EngineHost>>;

    /// Returns the number of containers that could not be removed so far. Each keeps its permit
    /// until it is gone.
    fn quarantined(&self) -> usize;

    /// Waits until a call failed in a way that casts doubt on the whole engine.
    fn doubted(&self) -> BoxFuture<'_, ()>;

    /// Waits until every dropped container is removed, at most for `grace`. Returns the number that is
    /// left.
    fn drain(&self, grace: Duration) -> BoxFuture<'_, usize>;
}

/// The CPU time that an engine takes to start a container and to remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A tenth of a second: it is noticed by the jobs that run.
    Heavy,
    /// Some milliseconds, beside what the interpreter takes to start.
    Light,
}

/// A request for a container.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The language, which decides the image or template.
    pub language: LanguageName,
    /// The purpose, for its label.
    pub purpose: Purpose,
    /// The limits that the container is held to.
    pub limits: Limits,
    /// The longest time that it may exist. Then PID 1 ends it by itself, even without a worker.
    pub max_life: Duration,
}

/// The purpose of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Waiting for a job that is not known yet.
    Park,
    /// Running this job.
    Job(JobId),
}

/// A running container, for one job or one run of it. Dropping it kills and removes it in the background.
pub struct Container {
    /// The engine's id for it.
    pub id: ContainerId,
    /// The base image, or the root directory, it was made from, as configured.
    pub image: String,
    /// The CPU that all its processes run on.
    pub core: Core,
    /// The stream to PID 1.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// The stream from PID 1, in pieces of any size.
    pub output: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
    /// The hold on the container, which knows how it died; removes it when dropped.
    pub handle: Box<dyn Handle>,
}

/// A hold on one container; removes it when dropped.
pub trait Handle: Send + Sync {
    /// Looks at the container. Returns `None` if the engine does not answer. Bounded in time.
    fn look(&self) -> BoxFuture<'_, Option<Life>>;

    /// Returns the resources that the container has used since its start, as far as the engine knows
    /// them. Bounded in time.
    fn consumed(&self) -> BoxFuture<'_, Consumed>;

    /// Condemns the container: it is killed as soon as it is dropped, since its PID 1 may not get to
    /// end by itself.
    fn condemn(&self);
}

/// The state of a container's PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is there.
    Running,
    /// It has ended.
    Ended(Death),
}

/// The way in which a container's PID 1 ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The kernel killed it, or processes beside it, for lack of memory. No signal from inside a
    /// container kills its PID 1, so a SIGKILL that nobody asked the engine for is the kernel's.
    OutOfMemory,
    /// Somebody had the engine kill it.
    Killed,
    /// It ended with this exit status.
    Exited(i64),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => f.write_str("killed for lack of memory"),
            Self::Killed => f.write_str("killed through the engine"),
            Self::Exited(status) => write!(f, "exit status {status}"),
        }
    }
}

/// The resources that a whole container has used; zero where the engine does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// Memory in bytes: the most that it held where the kernel tells (cgroup version 1), else what it
    /// holds now.
    pub memory: u64,
}

/// An engine's id for a container.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    /// Wraps an id as the engine gave it.
    #[must_use]
    pub fn new(id: String) -> Self {
        Self(id)
    }

    /// Returns the whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    /// Formats the first 12 digits, as the engine's own tools show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..12).unwrap_or(&self.0))
    }
}

/// The result of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The number of Warren's containers that it saw.
    pub seen: usize,
    /// The number that it removed.
    pub removed: usize,
}

/// The report of an engine that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineReport {
    /// The engine's description, in a few words.
    pub description: String,
    /// The languages without an image or template, each with the reason and what to do.
    pub faults: BTreeMap<LanguageName, String>,
}

/// An engine and its host, as it describes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineHost {
    /// The engine.
    pub name: EngineName,
    /// The engine's version.
    pub version: String,
    /// The version of runc, if that makes its containers.
    pub runc: Option<String>,
    /// The security features that it uses or has, in its own words (`name=apparmor`).
    pub security: Vec<String>,
    /// The host's cores.
    pub cores: u64,
    /// The host's memory, in bytes.
    pub memory: u64,
}

impl EngineHost {
    /// Returns whether it has a security feature of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let words = self.security.iter().flat_map(|option| option.split(','));
        let mut names = words.filter_map(|word| word.strip_prefix("name="));
        names.any(|found| found == name)
    }
}
