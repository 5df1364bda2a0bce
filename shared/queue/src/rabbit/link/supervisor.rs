//! Keeps one connection, and everything built on it, alive.
//!
//! After any loss, everything is rebuilt as one unit, so that nothing is ever half recovered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::RabbitConfig;
use super::connection::{BUILD_TIMEOUT, Connected};
use super::fuse::Fuse;
use crate::QueueError;

/// The first pause after a failure; it doubles up to [`LAST_PAUSE`], and up to as much again is
/// added at random so that a fleet does not reconnect in step.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, without its random part.
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// The longest that a unit may take to end in order.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// The time after which a connection counts as stable; the next failure starts with [`FIRST_PAUSE`]
/// again.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// A unit of work that is built on a connection.
pub(crate) trait Unit: Send + Sync + 'static {
    /// The part that others use while the unit is up.
    type Session: Send + Sync + 'static;

    /// Returns the purpose of the connection, in logs and in the management UI.
    fn purpose(&self) -> &'static str;

    /// Builds everything on a fresh connection. No two builds get the same `number`. The work
    /// ends in order when `stop` is cancelled.
    fn build<'a>(
        &'a self,
        connected: &'a Arc<Connected>,
        number: u64,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Built<Self::Session>, QueueError>>;

    /// Handles the loss of the last session. Others can no longer get hold of it.
    fn lost(&self) {}
}

/// A unit that is up.
pub(crate) struct Built<S> {
    /// The session for others to use.
    pub(crate) session: S,
    /// Its work; when it ends, the unit is lost.
    pub(crate) work: BoxFuture<'static, QueueError>,
}

/// Access to the session of a unit, while there is one.
pub(crate) struct Link<S>(watch::Receiver<LinkState<S>>);

enum LinkState<S> {
    Up(Arc<S>),
    /// The unit is down; with the last problem, if there was one.
    Down(Option<Arc<str>>),
}

impl<S> Clone for Link<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Link<S> {
    /// Returns the session, if the unit is up now.
    pub(crate) fn now(&self) -> Result<Arc<S>, QueueError> {
        match &*self.0.borrow() {
            LinkState::Up(session) => Ok(Arc::clone(session)),
            LinkState::Down(None) => Err(QueueError::Disconnected),
            LinkState::Down(Some(problem)) => Err(QueueError::Unreachable(problem.to_string())),
        }
    }

    /// Waits until the unit is up, and returns the session. The caller bounds the wait.
    pub(crate) async fn soon(&self) -> Result<Arc<S>, QueueError> {
        let mut link = self.0.clone();
        let is_up = |state: &LinkState<S>| matches!(state, LinkState::Up(_));
        match link.wait_for(is_up).await.as_deref() {
            Ok(LinkState::Up(session)) => Ok(Arc::clone(session)),
            _ => Err(QueueError::Closed),
        }
    }
}

/// Keeps `unit` up until `stop`.
pub(crate) fn supervise<U: Unit>(
    unit: U,
    config: RabbitConfig,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> Link<U::Session> {
    let (sender, receiver) = watch::channel(LinkState::Down(None));
    let supervisor = Supervisor {
        unit,
        config,
        sender,
        builds: 0,
        logged: None,
    };
    tasks.spawn(supervisor.run(stop));
    Link(receiver)
}

struct Supervisor<U: Unit> {
    unit: U,
    config: RabbitConfig,
    sender: watch::Sender<LinkState<U::Session>>,
    builds: u64,
    logged: Option<Arc<str>>,
}

impl<U: Unit> Supervisor<U> {
    async fn run(mut self, stop: CancellationToken) {
        let policy = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LAST_PAUSE)
            .without_max_times()
            .with_jitter();
        let mut pauses = policy.build();
        loop {
            let (error, lasted) = self.run_once(&stop).await;
            if stop.is_cancelled() {
                return;
            }
            self.report(&error);
            if lasted >= STABLE_AFTER {
                pauses = policy.build();
            }
            let pause = pauses.next().unwrap_or(LAST_PAUSE);
            let slept = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            if slept.is_none() {
                return;
            }
        }
    }

    /// Connects, builds, and waits for the loss, or for `stop`. Returns the cause of the loss and how
    /// long the connection was up.
    async fn run_once(&mut self, stop: &CancellationToken) -> (QueueError, Duration) {
        let fuse = Fuse::default();
        let building = timeout(BUILD_TIMEOUT, self.build(fuse.clone(), stop));
        let built = stop.run_until_cancelled(building).await;
        let (connected, Built { session, mut work }) = match built {
            Some(Ok(Ok(built))) => built,
            failed => {
                fuse.cut();
                let error = match failed {
                    Some(Ok(Err(error))) => error,
                    Some(Err(_elapsed)) => QueueError::TimedOut {
                        context: "declaring the topology",
                    },
                    _ => QueueError::Closed,
                };
                return (error, Duration::ZERO);
            }
        };
        tracing::info!(purpose = self.unit.purpose(), "connected to RabbitMQ");
        self.logged = None;
        // Held until the connection is closed: channels that are dropped while it closes make the
        // library log errors.
        let session = Arc::new(session);
        self.sender
            .send_replace(LinkState::Up(Arc::clone(&session)));
        let since = Instant::now();
        let lost = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            error = connected.until_lost() => Some(error),
            error = &mut work => Some(error),
        };
        self.sender.send_replace(LinkState::Down(None));
        self.unit.lost();
        let error = match lost {
            Some(error) => error,
            None => {
                drop(timeout(END_TIMEOUT, &mut work).await);
                QueueError::Closed
            }
        };
        connected.close().await;
        (error, since.elapsed())
    }

    async fn build(
        &mut self,
        fuse: Fuse,
        stop: &CancellationToken,
    ) -> Result<(Arc<Connected>, Built<U::Session>), QueueError> {
        self.builds += 1;
        let connected = Arc::new(Connected::open(&self.config, self.unit.purpose(), fuse).await?);
        let built = self.unit.build(&connected, self.builds, stop).await?;
        Ok((connected, built))
    }

    /// Publishes the problem to users of the link, and logs it unless the last attempt had the same.
    fn report(&mut self, error: &QueueError) {
        let problem: Arc<str> = with_cause(error).into();
        self.sender
            .send_replace(LinkState::Down(Some(Arc::clone(&problem))));
        if self.logged.as_ref() != Some(&problem) {
            tracing::warn!(
                purpose = self.unit.purpose(), config = ?self.config, error = %problem,
                "cannot connect to RabbitMQ; retrying in the background"
            );
            self.logged = Some(problem);
        }
    }
}

/// Formats the error with the library's message, which is the part that helps a person.
fn with_cause(error: &QueueError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
