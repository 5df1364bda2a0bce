//! One language's template: takes requests, and reports what becomes of each sandbox.

use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use warren_launcher::wire::{Report, Request, SandboxId};

use super::socket::{Buffer, Socket};
use super::stage::{self, Ended, SandboxWatch, Stage};

/// A template's socket, and the sandboxes that were asked for on it.
pub(super) struct Template {
    /// The name of what its root was made from.
    pub(super) image: String,
    socket: Arc<Socket>,
    watched: Arc<Watched>,
    _reader: AbortOnDropHandle<()>,
}

/// What is watched of a template.
struct Watched {
    /// The sandboxes of which something may be left; `None` once the template is gone.
    sandboxes: Mutex<Option<HashMap<SandboxId, Arc<SandboxWatch>>>>,
    /// The number of its answers to pings.
    pongs: watch::Sender<u64>,
}

impl Template {
    /// Takes over the socket of a template, and begins to read its reports. Must be called within the
    /// runtime.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    pub(super) fn new(end: OwnedFd, image: String) -> io::Result<Self> {
        let socket = Arc::new(Socket::new(end)?);
        let watched = Arc::new(Watched {
            sandboxes: Mutex::new(Some(HashMap::new())),
            pongs: watch::Sender::default(),
        });
        let reading = Arc::clone(&watched).read(Arc::clone(&socket));
        Ok(Self {
            image,
            socket,
            watched,
            _reader: AbortOnDropHandle::new(tokio::spawn(reading)),
        })
    }

    /// Returns whether it is gone, and every sandbox of it.
    pub(super) fn is_gone(&self) -> bool {
        self.watched.sandboxes().is_none()
    }

    /// Begins to watch a sandbox that is about to be asked for. `None` if the template is gone.
    pub(super) fn watch(&self, id: SandboxId) -> Option<Arc<SandboxWatch>> {
        let sandbox = Arc::new(SandboxWatch::new());
        let mut sandboxes = self.watched.sandboxes();
        sandboxes.as_mut()?.insert(id, Arc::clone(&sandbox));
        Some(sandbox)
    }

    /// Ends the watch of a sandbox that was never asked for.
    pub(super) fn forget(&self, id: SandboxId) {
        self.watched.take(id);
    }

    /// Sends a request; descriptors go with a launch alone.
    ///
    /// # Errors
    /// It is gone.
    pub(super) async fn send(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        self.socket.send(request, descriptors).await
    }

    /// Asks whether it still answers, for at most `within`.
    pub(super) async fn answers(&self, within: Duration) -> bool {
        let mut pongs = self.watched.pongs.subscribe();
        let asking =
            async { self.send(&Request::Ping, &[]).await.is_ok() && pongs.changed().await.is_ok() };
        tokio::time::timeout(within, asking).await == Ok(true)
    }
}

impl Watched {
    fn sandboxes(&self) -> MutexGuard<'_, Option<HashMap<SandboxId, Arc<SandboxWatch>>>> {
        self.sandboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: SandboxId) -> Option<Arc<SandboxWatch>> {
        self.sandboxes().as_ref()?.get(&id).cloned()
    }

    fn take(&self, id: SandboxId) -> Option<Arc<SandboxWatch>> {
        self.sandboxes().as_mut()?.remove(&id)
    }

    /// Reads reports until the template is gone. Then its sandboxes are lost.
    async fn read(self: Arc<Self>, socket: Arc<Socket>) {
        let mut buffer = Buffer::new();
        loop {
            match socket.receive(&mut buffer).await {
                Ok(Some((report, _none))) => self.note(report),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "the socket to a template broke; its sandboxes are lost");
                    break;
                }
            }
        }
        let lost = self.sandboxes().take();
        for sandbox in lost.unwrap_or_default().into_values() {
            sandbox.stage.send_replace(Stage::Lost);
        }
    }

    /// Notes a report on a sandbox. One on a sandbox that nobody watches changes nothing.
    fn note(&self, report: Report) {
        match report {
            Report::Launched(id) => self.enter(self.find(id), Stage::Running),
            Report::NotLaunched { id, reason } => {
                self.enter(self.take(id), Stage::Refused(reason.into()));
            }
            Report::Ended {
                id,
                death,
                consumed,
            } => self.enter(self.find(id), Stage::Ended(Ended { death, consumed })),
            Report::Removed(id) => {
                let sandbox = self.take(id);
                let ended = sandbox.as_ref().and_then(|it| it.stage.borrow().ended());
                self.enter(sandbox, Stage::Removed(ended));
            }
            Report::Consumed(id, used) => {
                if let Some(sandbox) = self.find(id) {
                    sandbox.consumed.send_replace(stage::consumed(used));
                }
            }
            Report::Pong => self.pongs.send_modify(|pongs| *pongs += 1),
            // These come on the control socket alone.
            Report::Ready(_) | Report::Template { .. } | Report::NoTemplate { .. } => {
                tracing::warn!("a template sent a launcher's report; ignoring it");
            }
        }
    }

    fn enter(&self, sandbox: Option<Arc<SandboxWatch>>, stage: Stage) {
        if let Some(sandbox) = sandbox {
            sandbox.stage.send_replace(stage);
        }
    }
}
