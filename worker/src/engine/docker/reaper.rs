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

use super::autopsy;
use super::client::{Client, is_going, is_gone};
use super::uids::Uid;
use crate::engine::{Consumed, Handle, Life};
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
    slots: Arc<Semaphore>,
    /// The containers that are in use or being removed, by name. The sweep leaves them alone.
    held: Mutex<HashMap<String, Hold>>,
    removals: TaskTracker,
    runtime: Runtime,
}

impl Reaper {
    /// Makes a reaper. Must be called within the runtime that the removals run on.
    pub(super) fn new(client: Client, max_containers: usize) -> Self {
        Self {
            client,
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
            Ok(Err(_)) | Err(_) => Err(Error::EngineTimedOut { doing, within }),
        }
    }

    /// Makes the guard that removes the container of that name, if there is one, when dropped.
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

    /// Removes a container that no guard holds.
    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let call = self.client.docker()?.remove_container(name, Some(options));
        match self.client.call("remove a container", REMOVE, call).await {
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    /// Waits until the container has ended; returns immediately if it never began or is gone.
    async fn ended(&self, name: &str) {
        let Ok(docker) = self.client.docker() else {
            return;
        };
        let mut exit = std::pin::pin!(docker.wait_container(name, None::<WaitContainerOptions>));
        // Whatever the result, the removal uses force if needed.
        let _ = tokio::time::timeout(ENDS, exit.next()).await;
    }

    /// Retries for as long as it takes: until a container is gone it takes up its permit, its user id
    /// and its memory, whatever the engine says.
    async fn remove_until_gone(&self, name: &str) {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LAST_PAUSE)
            .without_max_times()
            .with_jitter()
            .build();
        for attempt in 1_u32.. {
            let Err(error) = self.remove(name).await else {
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
    /// The permit and user id that the container takes up until it is gone.
    held: Option<(OwnedSemaphorePermit, Uid)>,
    /// Whether the container is to be killed without waiting for PID 1 to end by itself.
    condemned: AtomicBool,
}

impl Handle for Guard {
    fn look(&self) -> BoxFuture<'_, Option<Life>> {
        Box::pin(autopsy::look(&self.reaper.client, &self.name))
    }

    fn consumed(&self) -> BoxFuture<'_, Consumed> {
        Box::pin(autopsy::consumed(&self.reaper.client, &self.name))
    }

    fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (reaper, name, held) = (
            Arc::clone(&self.reaper),
            std::mem::take(&mut self.name),
            self.held.take(),
        );
        let condemned = *self.condemned.get_mut();
        self.reaper.removals.spawn_on(
            async move {
                if !condemned {
                    reaper.ended(&name).await;
                }
                reaper.remove_until_gone(&name).await;
                drop(held);
            },
            &self.reaper.runtime,
        );
    }
}
