//! Kills and removes containers once their guard is dropped, off the caller's path. Every
//! container holds a slot from before its creation until it is gone, which bounds how many there
//! are.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, WaitContainerOptions};
use futures_util::StreamExt;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::client::{Client, is_gone};
use super::uids::Uid;
use crate::engine::{Death, Handle};
use crate::{Error, Result};

/// How long PID 1 may take to end by itself, now that its streams are closed: killing it would
/// cost the engine a process more, which is a tenth of a container's CPU time.
const ENDS: Duration = Duration::from_secs(1);
/// How long one try to remove a container may take.
const REMOVE: Duration = Duration::from_secs(10);
/// How often a removal is tried before the container is left to the sweep.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// How long to wait for word of a container's death.
const DEATH: Duration = Duration::from_secs(1);
/// How often to ask for it.
const DEATH_PAUSE: Duration = Duration::from_millis(25);

/// Removes containers.
pub(super) struct Reaper {
    client: Client,
    slots: Arc<Semaphore>,
    /// Names of the containers that are in use or being removed: not for the sweep.
    held: Arc<Mutex<HashSet<String>>>,
    removals: TaskTracker,
    runtime: Runtime,
}

impl Reaper {
    /// Must be called within the runtime that the removals run on.
    pub(super) fn new(client: Client, max_containers: usize) -> Self {
        Self {
            client,
            slots: Arc::new(Semaphore::new(max_containers)),
            held: Arc::default(),
            removals: TaskTracker::new(),
            runtime: Runtime::current(),
        }
    }

    /// Room for one more container.
    pub(super) async fn slot(&self, within: Duration) -> Result<OwnedSemaphorePermit> {
        let doing = "remove old containers and make room for a new one";
        match tokio::time::timeout(within, self.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Error::EngineTimedOut { doing, within }),
        }
    }

    /// Removes the container of that name, if there is one, when the guard is dropped.
    pub(super) fn guard(
        self: &Arc<Self>,
        name: String,
        slot: OwnedSemaphorePermit,
        uid: Uid,
    ) -> Guard {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.clone());
        Guard {
            reaper: Arc::clone(self),
            name,
            held: Some((slot, uid)),
        }
    }

    /// Whether a container of that name is in use here.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
    }

    /// Removes a container that nobody holds.
    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let call = self.client.docker().remove_container(name, Some(options));
        match self.client.call("remove a container", REMOVE, call).await {
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    /// Waits until the container has ended; at once if it never began or is gone.
    async fn ended(&self, name: &str) {
        let mut exit = std::pin::pin!(
            self.client
                .docker()
                .wait_container(name, None::<WaitContainerOptions>)
        );
        // Whatever comes of it, the removal is by force if need be.
        let _ = tokio::time::timeout(ENDS, exit.next()).await;
    }

    async fn remove_with_patience(&self, name: &str) {
        self.ended(name).await;
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            match self.remove(name).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(container = name, attempt, %error, "a container could not be removed");
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Waits until all removals are done, at most for `grace`.
    pub(super) async fn drain(&self, grace: Duration) {
        self.removals.close();
        if tokio::time::timeout(grace, self.removals.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = self.removals.len(),
                "containers are still being removed; they end by themselves"
            );
        }
    }
}

/// Holds one container by name; killed and removed when dropped.
pub(super) struct Guard {
    reaper: Arc<Reaper>,
    name: String,
    /// What the container takes up until it is gone.
    held: Option<(OwnedSemaphorePermit, Uid)>,
}

#[async_trait]
impl Handle for Guard {
    async fn death(&self) -> Option<Death> {
        let by = Instant::now() + DEATH;
        loop {
            let call = self
                .reaper
                .client
                .docker()
                .inspect_container(&self.name, None);
            let container = self
                .reaper
                .client
                .call("inspect a container", DEATH, call)
                .await;
            let state = container.ok()?.state?;
            if state.running != Some(true) {
                return Some(Death {
                    out_of_memory: state.oom_killed.unwrap_or(false),
                    exit_code: state.exit_code.unwrap_or(-1),
                });
            }
            if Instant::now() > by {
                return None;
            }
            // dockerd closes the streams some 30 ms before it says that the process is gone.
            tokio::time::sleep(DEATH_PAUSE).await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (reaper, name, held) = (
            Arc::clone(&self.reaper),
            std::mem::take(&mut self.name),
            self.held.take(),
        );
        self.reaper.removals.spawn_on(
            async move {
                reaper.remove_with_patience(&name).await;
                reaper
                    .held
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&name);
                drop(held);
            },
            &self.reaper.runtime,
        );
    }
}
