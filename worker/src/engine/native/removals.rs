//! Removes sandboxes in the background, once their guard is dropped.
//!
//! Every sandbox holds a permit and a user from before it is asked for until nothing is left of it,
//! which bounds how many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use warren_launcher::wire::{Request, SandboxId};
use warren_protocol::outcome::EngineName;

use super::stage::{self, SandboxWatch, Stage};
use super::template::Template;
use crate::engine::uids::Uid;
use crate::engine::{Consumed, Handle, Life};
use crate::{Error, Result};

/// The longest time that a removal may take: a healthy launcher needs a millisecond.
const REMOVE: Duration = Duration::from_secs(3);
/// The longest time that it may take to tell what a sandbox has used. The verdict waits for it.
const CONSUMED: Duration = Duration::from_millis(250);

/// The remover of sandboxes.
pub(super) struct Removals {
    slots: Arc<Semaphore>,
    under_way: TaskTracker,
    quarantined: AtomicUsize,
    /// Notified when a removal casts doubt on the engine.
    doubt: Arc<Notify>,
    runtime: Runtime,
}

impl Removals {
    /// Makes a remover. Must be called within the runtime that the removals run on.
    pub(super) fn new(max_sandboxes: usize, doubt: Arc<Notify>) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(max_sandboxes)),
            under_way: TaskTracker::new(),
            quarantined: AtomicUsize::new(0),
            doubt,
            runtime: Runtime::current(),
        }
    }

    /// Waits for the permit for one more sandbox.
    ///
    /// # Errors
    /// None was free in time.
    pub(super) async fn slot(&self, within: Duration) -> Result<OwnedSemaphorePermit> {
        let acquiring = Arc::clone(&self.slots).acquire_owned();
        let acquired = timeout(within, acquiring).await;
        acquired
            .ok()
            .and_then(Result::ok)
            .ok_or(Error::EngineTimedOut {
                engine: EngineName::Native,
                doing: "remove old sandboxes and make room for a new one",
                within,
            })
    }

    /// Returns the number of sandboxes that could not be removed so far.
    pub(super) fn quarantined(&self) -> usize {
        self.quarantined.load(Ordering::Relaxed)
    }

    /// Removes a sandbox, and waits for as long as it takes until nothing is left of it.
    async fn remove(&self, sandbox: &Asked) {
        let removing = async {
            // If this fails its template is gone, which the wait sees.
            let _ = sandbox
                .template
                .send(&Request::Remove(sandbox.id), &[])
                .await;
            sandbox.until_gone().await;
        };
        if timeout(REMOVE, removing).await.is_ok() {
            return;
        }
        let id = sandbox.id.0;
        tracing::warn!(
            sandbox = id,
            "the launcher does not remove a sandbox; it keeps its permit until it is gone"
        );
        self.quarantined.fetch_add(1, Ordering::Relaxed);
        self.doubt.notify_one();
        sandbox.until_gone().await;
        self.quarantined.fetch_sub(1, Ordering::Relaxed);
        tracing::info!(
            sandbox = id,
            "a sandbox that could not be removed before is gone"
        );
    }

    /// Waits until all removals are done, at most for `grace`. Returns the number that is not.
    pub(super) async fn drain(&self, grace: Duration) -> usize {
        self.under_way.close();
        if timeout(grace, self.under_way.wait()).await.is_err() {
            let left = self.under_way.len();
            tracing::warn!(
                left,
                "sandboxes are still being removed; the launcher's end ends them"
            );
        }
        self.under_way.len()
    }
}

/// A sandbox that was asked for.
struct Asked {
    id: SandboxId,
    template: Arc<Template>,
    watch: Arc<SandboxWatch>,
}

impl Asked {
    async fn until_gone(&self) {
        let mut stages = self.watch.stage.subscribe();
        // The sender is here, so this ends with such a stage alone.
        let _ = stages.wait_for(Stage::is_gone).await;
    }
}

/// A guard of one sandbox, which is killed and removed when the guard is dropped.
pub(super) struct SandboxGuard {
    removals: Arc<Removals>,
    sandbox: Option<(Asked, Held)>,
    /// Whether the launch was sent.
    is_sent: bool,
}

/// What a sandbox takes up until nothing is left of it.
type Held = (OwnedSemaphorePermit, Uid);

impl SandboxGuard {
    /// Makes the guard of a sandbox that is about to be asked for; `None` if the template is gone.
    pub(super) fn new(
        removals: &Arc<Removals>,
        template: &Arc<Template>,
        id: SandboxId,
        held: Held,
    ) -> Option<Self> {
        let asked = Asked {
            id,
            template: Arc::clone(template),
            watch: template.watch(id)?,
        };
        Some(Self {
            removals: Arc::clone(removals),
            sandbox: Some((asked, held)),
            is_sent: false,
        })
    }

    /// Records that the launch was sent: something may exist now.
    pub(super) fn sent(&mut self) {
        self.is_sent = true;
    }

    /// Waits until the sandbox's PID 1 runs, or there will be none. Returns the stage then; `None` if
    /// there was no answer in time.
    pub(super) async fn launched(&self, within: Duration) -> Option<Stage> {
        let watch = self.watch()?;
        watch.until(within, |stage| *stage != Stage::Asked).await
    }

    fn watch(&self) -> Option<&SandboxWatch> {
        self.sandbox.as_ref().map(|(asked, _)| asked.watch.as_ref())
    }
}

impl Handle for SandboxGuard {
    fn look(&self) -> BoxFuture<'_, Option<Life>> {
        let life = self.watch().map(|watch| watch.stage.borrow().life());
        Box::pin(std::future::ready(life))
    }

    fn consumed(&self) -> BoxFuture<'_, Consumed> {
        Box::pin(async move {
            let Some((asked, _)) = &self.sandbox else {
                return Consumed::default();
            };
            let ended = asked.watch.stage.borrow().ended();
            if let Some(ended) = ended {
                return stage::consumed(ended.consumed);
            }
            let mut told = asked.watch.consumed.subscribe();
            let asking = async {
                let request = Request::Consumed(asked.id);
                asked.template.send(&request, &[]).await.ok()?;
                told.changed().await.ok()?;
                Some(*told.borrow())
            };
            let told = timeout(CONSUMED, asking).await;
            told.ok().flatten().unwrap_or_default()
        })
    }

    /// Does nothing: a kill costs this engine nothing, so every sandbox that is dropped is killed.
    fn condemn(&self) {}
}

impl Drop for SandboxGuard {
    fn drop(&mut self) {
        let Some((asked, held)) = self.sandbox.take() else {
            return;
        };
        if !self.is_sent {
            asked.template.forget(asked.id);
            return;
        }
        if asked.watch.stage.borrow().is_gone() {
            return;
        }
        let removals = Arc::clone(&self.removals);
        self.removals.under_way.spawn_on(
            async move {
                removals.remove(&asked).await;
                drop(held);
            },
            &self.removals.runtime,
        );
    }
}
