//! Keeps one launcher running: starts it, and another when it ends or falls silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use warren_protocol::outcome::EngineName;

use super::config::NativeConfig;
use super::launcher::{Launcher, LauncherEnd, Running};
use crate::pauses::pauses;
use crate::{Error, Result};

/// The pause before a launcher is started again; it doubles, and up to as much again is added at
/// random.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause: what an operator has mended is to be used within seconds.
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// The time after which a launcher has shown that it runs: the next pause is the first one again.
const PROVEN: Duration = Duration::from_secs(30);
/// The time without any answer after which a launcher is killed, and every sandbox with it.
const WEDGED: Duration = Duration::from_secs(4);

/// A keeper of one launcher. Dropping it ends the launcher.
pub(super) struct Supervisor {
    shared: Arc<SharedSupervisor>,
    keeper: TaskTracker,
    stop: CancellationToken,
    _stop: DropGuard,
}

struct SharedSupervisor {
    config: NativeConfig,
    state: watch::Sender<State>,
    /// Notified when the launcher is to be killed.
    condemned: Notify,
    /// Notified when something casts doubt on the engine.
    doubt: Arc<Notify>,
    /// The moment since which it has not answered.
    silent_since: Mutex<Option<Instant>>,
}

/// The state of the launcher.
#[derive(Clone)]
enum State {
    /// It is being started, the first time or again.
    Starting,
    /// It is there.
    Up(Arc<Launcher>),
    /// It could not be started, for this reason. It is being tried again.
    Failed(Arc<str>),
}

impl Supervisor {
    /// Begins to start a launcher. Must be called within the runtime that it is followed on.
    pub(super) fn new(config: NativeConfig, doubt: Arc<Notify>) -> Self {
        let shared = Arc::new(SharedSupervisor {
            config,
            state: watch::Sender::new(State::Starting),
            condemned: Notify::new(),
            doubt,
            silent_since: Mutex::default(),
        });
        let (keeper, stop) = (TaskTracker::new(), CancellationToken::new());
        keeper.spawn(Arc::clone(&shared).keep(stop.clone()));
        Self {
            shared,
            keeper,
            _stop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Returns the launcher. Waits while it is being started.
    ///
    /// # Errors
    /// There is none now.
    pub(super) async fn until_settled(&self) -> Result<Arc<Launcher>> {
        let mut states = self.shared.state.subscribe();
        let settled = states.wait_for(|state| !matches!(state, State::Starting));
        // The sender is here, so the wait ends with such a state.
        match settled.await.ok().as_deref() {
            Some(State::Up(launcher)) => Ok(Arc::clone(launcher)),
            Some(State::Failed(reason)) => Err(Error::LauncherDown(Arc::clone(reason))),
            Some(State::Starting) | None => Err(Error::LauncherDown("it starts".into())),
        }
    }

    /// Returns the launcher. Waits while it is being started, at most for `within`.
    ///
    /// # Errors
    /// There is none now.
    pub(super) async fn up(&self, within: Duration) -> Result<Arc<Launcher>> {
        let settled = timeout(within, self.until_settled()).await;
        settled.unwrap_or(Err(Error::EngineTimedOut {
            engine: EngineName::Native,
            doing: "start its launcher",
            within,
        }))
    }

    /// Returns the launcher that comes after this one, which is about to end.
    ///
    /// # Errors
    /// There is none now.
    pub(super) async fn after(&self, ending: &Launcher) -> Result<Arc<Launcher>> {
        let mut states = self.shared.state.subscribe();
        let is_other = |state: &State| !matches!(state, State::Up(up) if up.id == ending.id);
        // The sender is here, so the wait ends with such a state.
        drop(states.wait_for(is_other).await);
        self.until_settled().await
    }

    /// Records that the launcher answers.
    pub(super) fn answers(&self) {
        *self.shared.silent_since() = None;
    }

    /// Records that the launcher does not answer. After a while it is killed, and another started.
    pub(super) fn is_silent(&self) {
        let mut since = self.shared.silent_since();
        if since.get_or_insert_with(Instant::now).elapsed() >= WEDGED {
            *since = None;
            self.shared.condemned.notify_one();
        }
    }

    /// Ends the launcher, and waits until it has ended, at most for `within`.
    pub(super) async fn stop(&self, within: Duration) {
        self.stop.cancel();
        self.keeper.close();
        if timeout(within, self.keeper.wait()).await.is_err() {
            tracing::warn!("the launcher has not ended yet; it ends by itself");
        }
    }
}

impl SharedSupervisor {
    fn silent_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a launcher running until `stop`.
    async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut waits = pauses(FIRST_PAUSE, LAST_PAUSE);
        loop {
            let started = tokio::select! {
                started = Running::start(&self.config) => started,
                () = stop.cancelled() => break,
            };
            match started {
                Ok(running) => {
                    let begun = Instant::now();
                    // What was said of the one before is none of this one's.
                    let _ = self.condemned.notified().now_or_never();
                    self.enter(State::Up(Arc::clone(&running.launcher)));
                    match running.follow(&self.condemned, &stop).await {
                        LauncherEnd::Stopped => break,
                        LauncherEnd::Failed(reason) => {
                            tracing::error!(
                                reason,
                                "the launcher has ended, and its sandboxes with it; starting another"
                            );
                        }
                    }
                    *self.silent_since() = None;
                    if begun.elapsed() >= PROVEN {
                        waits = pauses(FIRST_PAUSE, LAST_PAUSE);
                    }
                    self.enter(State::Starting);
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to start a launcher; retrying");
                    let reason = match error {
                        Error::LauncherDown(reason) => reason,
                        error => error.to_string().into(),
                    };
                    self.enter(State::Failed(reason));
                }
            }
            tokio::select! {
                () = sleep(waits.next().unwrap_or(LAST_PAUSE)) => {}
                () = stop.cancelled() => break,
            }
        }
        self.enter(State::Failed("this worker stops".into()));
    }

    fn enter(&self, state: State) {
        self.state.send_replace(state);
        self.doubt.notify_one();
    }
}
