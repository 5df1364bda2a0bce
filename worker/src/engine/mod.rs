//! The `Engine` seam: something that makes containers. Kept to `launch` and `sweep`, so that a
//! daemonless runtime can stand behind it later.

pub mod docker;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use tokio::io::AsyncWrite;
use warren_languages::LanguageName;
use warren_protocol::ids::JobId;
use warren_protocol::limits::Limits;

use crate::Result;

/// Makes hardened containers with the runner as PID 1, and clears away lost ones.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Makes ready what launches need (images, say). Returns once it has tried everything; those
    /// languages that failed are tried again at their next launch.
    ///
    /// # Errors
    /// No language can be run yet.
    async fn prepare(&self) -> Result<()>;

    /// Starts a fresh container. Bounded in time.
    ///
    /// # Errors
    /// The container is not there and nothing of it is left, or will be once it was swept.
    async fn launch(&self, launch: &Launch) -> Result<Container>;

    /// Removes containers whose owner is gone, whichever worker made them.
    ///
    /// # Errors
    /// The engine cannot be asked.
    async fn sweep(&self) -> Result<Swept>;

    /// Asks the engine how it is. Images that are gone are made again, which goes on beside. Not
    /// bounded in time: who asks knows how long is too long.
    ///
    /// # Errors
    /// It does not answer, or cannot be used.
    async fn check(&self) -> Result<EngineReport>;

    /// How many containers could not be removed so far. Each keeps its place until it is gone.
    fn quarantined(&self) -> usize;

    /// Waits until a call failed in a way that casts doubt on the whole engine.
    async fn doubted(&self);

    /// Waits until every container that was dropped is removed, at most for `grace`. Returns how
    /// many are left.
    async fn drain(&self, grace: Duration) -> usize;
}

/// What a container is started for.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Which image.
    pub language: LanguageName,
    /// For whom, for its label.
    pub purpose: Purpose,
    /// What the container may use.
    pub limits: Limits,
    /// How long it may exist; then PID 1 ends it by itself, even if no worker comes back.
    pub max_life: Duration,
}

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To wait for a job that is not known yet.
    Park,
    /// To run this job.
    Job(JobId),
}

/// A running container, used for one job. Dropping it kills and removes it, off the caller's path.
pub struct Container {
    /// The engine's id for it.
    pub id: ContainerId,
    /// The base image it was made from, as configured.
    pub image: String,
    /// To PID 1.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// From PID 1, in pieces of any size.
    pub output: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
    /// The container itself, to ask how it died; removes it when dropped.
    pub handle: Box<dyn Handle>,
}

/// The engine's hold on one container; removes it when dropped.
#[async_trait]
pub trait Handle: Send + Sync {
    /// How the container died, if it did.
    async fn death(&self) -> Option<Death>;
}

/// How a container died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Whether the kernel killed something in it for want of memory.
    pub out_of_memory: bool,
    /// PID 1's exit status.
    pub exit_code: i64,
}

/// An engine's id for a container.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ContainerId(String);

impl ContainerId {
    /// The id as the engine gave it.
    #[must_use]
    pub fn new(id: String) -> Self {
        Self(id)
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    /// The first 12 digits, as the engine's own tools show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..12).unwrap_or(&self.0))
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Containers of Warren's that were seen.
    pub seen: usize,
    /// Those removed.
    pub removed: usize,
}

/// The report of an engine that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineReport {
    /// The engine's description, in a few words.
    pub description: String,
    /// The languages whose images are missing, each with the reason and what to do.
    pub faults: BTreeMap<LanguageName, String>,
}
