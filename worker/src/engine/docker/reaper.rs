//! Kills and removes containers in the background, once their guard is dropped.
//!
//! Every container holds a permit from before its creation until it is gone, which bounds how many
//! there are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bollard::query_parameters::{RemoveContainerOptionsBuilder, WaitContainerOptions};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use warren_protocol::ids::InstanceId;
use warren_protocol::outcome::EngineName;

use super::autopsy;
use super::client::{Client, is_going, is_gone};
use super::labels::Labels;
use crate::engine::uids::Uid;
use crate::engine::{Consumed, ContainerId, Handle, Life};
use crate::{Error, Result};

/// The longest time that PID 1 may take to end by itself once its streams are closed. Killing it
/// would cost the engine one more process, which is a tenth of a container's CPU time.
const ENDS: Duration = Duration::from_secs(1);
/// The longest time that one attempt to remove a container may take.
const REMOVE: Duration = Duration::from_secs(5);
/// The pause before the second attempt; it doubles, and up to as much again is added at random.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest such pause: containers that a wedged engine kept are gone soon after it is back.
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// The failed attempt from which on a container that the engine says it is removing counts as stuck.
const SLOW_AFTER: u32 = 4;

/// The remover of containers.
pub(super) struct Reaper {
    client: Client,
    instance: InstanceId,
    slots: Arc<Semaphore>,
    /// The containers that are in use or being removed, by name. The sweep leaves them alone.
    held: Mutex<HashMap<String, Hold>>,
    removals: TaskTracker,
    runtime: Runtime,
}

impl Reaper {
    /// Makes a reaper. Must be called within the runtime that the removals run on.
    pub(super) fn new(client: Client, instance: InstanceId, max_containers: usize) -> Self {
        Self {
            client,
            instance,
            slots: Arc::new(Semaphore::new(max_containers)),
            held: Mutex::default(),
            removals: TaskTracker::new(),
            runtime: Runtime::current(),
        }
    }

    /// Waits for the permit for one more container.
    pub(super) async fn slot(&self, within: Duration) -> Result<OwnedSemaphorePermit> {
        let doing = "remove old containers and make room for a new one";
        match tokio::time::timeout(within, self.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Error::EngineTimedOut {
                engine: EngineName::Docker,
                doing,
                within,
            }),
        }
    }

    /// Makes the guard that removes this worker's container of that name, if there is one, when
    /// dropped.
    pub(super) fn guard(
        self: &Arc<Self>,
        name: String,
        slot: OwnedSemaphorePermit,
        uid: Uid,
    ) -> Guard {
        self.held().insert(name.clone(), Hold::InUse);
        Guard {
            reaper: Arc::clone(self),
            name,
            id: None,
            held: Some((slot, uid)),
            condemned: AtomicBool::new(false),
        }
    }

    /// Returns whether a container of that name is in use or being removed here.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.held().contains_key(name)
    }

    /// Returns the number of containers that could not be removed so far.
    pub(super) fn quarantined(&self) -> usize {
        let held = self.held();
        let holds = held.values();
        holds.filter(|hold| **hold == Hold::Quarantined).count()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Hold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a container.
    pub(super) async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let call = self.client.docker()?.remove_container(id, Some(options));
        match self.client.call("remove a container", REMOVE, call).await {
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    /// Waits until the container has ended; returns immediately if it never began or is gone.
    async fn ended(&self, id: &str) {
        let Ok(docker) = self.client.docker() else {
            return;
        };
        let mut exit = std::pin::pin!(docker.wait_container(id, None::<WaitContainerOptions>));
        // Whatever the result, the removal uses force if needed.
        let _ = tokio::time::timeout(ENDS, exit.next()).await;
    }

    /// Removes the container of that name if it is this worker's. Another worker may have taken the
    /// name since.
    async fn remove_own(&self, name: &str) -> Result<()> {
        let call = self.client.docker()?.inspect_container(name, None);
        let found = match self.client.call("inspect a container", REMOVE, call).await {
            Err(error) if is_gone(&error) => return Ok(()),
            found => found?,
        };
        let labels = found.config.and_then(|config| config.labels);
        let labels = Labels::read(&labels.unwrap_or_default());
        match found.id {
            Some(id) if labels.instance == self.instance.as_str() => self.remove(&id).await,
            _ => Ok(()),
        }
    }

    /// Retries for as long as it takes: until a container is gone it takes up its permit, its user id
    /// and its memory, whatever the engine says. Without an id, its creation has failed as far as is
    /// known.
    async fn remove_until_gone(&self, name: &str, id: Option<&ContainerId>) {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LAST_PAUSE)
            .without_max_times()
            .with_jitter()
            .build();
        for attempt in 1_u32.. {
            let removed = match id {
                Some(id) => self.remove(id.as_str()).await,
                None => self.remove_own(name).await,
            };
            let Err(error) = removed else {
                break;
            };
            if !is_going(&error) || attempt >= SLOW_AFTER {
                let before = self.held().insert(name.to_owned(), Hold::Quarantined);
                if before != Some(Hold::Quarantined) {
                    tracing::warn!(container = name, %error, "failed to remove a container; retrying, and it keeps its permit until it is gone");
                }
            }
            tokio::time::sleep(pauses.next().unwrap_or(LAST_PAUSE)).await;
        }
        if self.held().remove(name) == Some(Hold::Quarantined) {
            tracing::info!(
                container = name,
                "removed a container that could not be removed before"
            );
        }
    }

    /// Waits until all removals are done, at most for `grace`. Returns the number that is not.
    pub(super) async fn drain(&self, grace: Duration) -> usize {
        self.removals.close();
        if tokio::time::timeout(grace, self.removals.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = self.removals.len(),
                "containers are still being removed; PID 1 ends them by itself"
            );
        }
        self.removals.len()
    }
}

/// The state of a held container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It is in use, or being removed.
    InUse,
    /// The engine failed to remove it.
    Quarantined,
}

/// A guard of one container, which is killed and removed when the guard is dropped.
pub(super) struct Guard {
    reaper: Arc<Reaper>,
    name: String,
    /// The engine's id for it, once it was created.
    id: Option<ContainerId>,
    /// The permit and user id that the container takes up until it is gone.
    held: Option<(OwnedSemaphorePermit, Uid)>,
    /// Whether the container is to be killed without waiting for PID 1 to end by itself.
    condemned: AtomicBool,
}

impl Guard {
    /// Records the container's id.
    pub(super) fn created(&mut self, id: ContainerId) {
        self.id = Some(id);
    }

    /// Gives up permit and user id: the container of that name is another worker's.
    pub(super) fn give_up(mut self) {
        self.reaper.held().remove(&self.name);
        self.held = None;
    }
}

impl Handle for Guard {
    fn look(&self) -> BoxFuture<'_, Option<Life>> {
        Box::pin(async move {
            let id = self.id.as_ref()?;
            autopsy::look(&self.reaper.client, id).await
        })
    }

    fn consumed(&self) -> BoxFuture<'_, Consumed> {
        Box::pin(async move {
            let Some(id) = &self.id else {
                return Consumed::default();
            };
            autopsy::consumed(&self.reaper.client, id).await
        })
    }

    fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        let (reaper, name, id) = (
            Arc::clone(&self.reaper),
            std::mem::take(&mut self.name),
            self.id.take(),
        );
        let condemned = *self.condemned.get_mut();
        self.reaper.removals.spawn_on(
            async move {
                if let Some(id) = &id
                    && !condemned
                {
                    reaper.ended(id.as_str()).await;
                }
                reaper.remove_until_gone(&name, id.as_ref()).await;
                drop(held);
            },
            &self.reaper.runtime,
        );
    }
}
