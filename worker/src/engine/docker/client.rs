//! The Docker client, with every call bounded in time.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as DockerError;
use tokio::sync::{Notify, OnceCell};
use warren_protocol::outcome::EngineName;

use crate::{Error, Result};

/// The longest time that the engine may take to answer a ping.
const PING: Duration = Duration::from_secs(2);

/// A handle to the engine; clones share its connections.
#[derive(Clone)]
pub(super) struct Client {
    docker: Arc<OnceLock<Docker>>,
    negotiated: Arc<OnceCell<()>>,
    doubt: Arc<Notify>,
}

impl Client {
    pub(super) fn new() -> Result<Self> {
        let client = Self {
            docker: Arc::default(),
            negotiated: Arc::default(),
            doubt: Arc::default(),
        };
        match client.docker() {
            // The daemon is not running, so there is no socket.
            Err(Error::Engine { source, .. })
                if matches!(*source, DockerError::SocketNotFoundError(_)) => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(client)
    }

    /// Returns the library's client. Making it needs the daemon's socket, so it is made once there
    /// is one.
    pub(super) fn docker(&self) -> Result<&Docker> {
        if let Some(docker) = self.docker.get() {
            return Ok(docker);
        }
        let docker = Docker::connect_with_defaults().map_err(|source| Error::Engine {
            doing: "answer (is it running, and is DOCKER_HOST right?)",
            source: Box::new(source),
        })?;
        Ok(self.docker.get_or_init(|| docker))
    }

    /// Awaits a call for at most `within`. The very first call negotiates the API's version, which
    /// clones of the client share.
    pub(super) async fn call<T>(
        &self,
        doing: &'static str,
        within: Duration,
        call: impl Future<Output = std::result::Result<T, DockerError>>,
    ) -> Result<T> {
        let docker = self.docker()?;
        let call = async {
            self.negotiated
                .get_or_try_init(|| async { docker.clone().negotiate_version().await.map(drop) })
                .await?;
            call.await
        };
        match tokio::time::timeout(within, call).await {
            Ok(result) => result.map_err(|source| {
                if !is_of_request(&source) {
                    self.doubt.notify_one();
                }
                Error::Engine {
                    doing,
                    source: Box::new(source),
                }
            }),
            Err(_elapsed) => Err(self.timed_out(doing, within)),
        }
    }

    /// Makes the error of a call that took too long.
    pub(super) fn timed_out(&self, doing: &'static str, within: Duration) -> Error {
        self.doubt.notify_one();
        Error::EngineTimedOut {
            engine: EngineName::Docker,
            doing,
            within,
        }
    }

    /// Waits until a call fails for a reason beyond its own request, or has done so since the last
    /// wait.
    pub(super) async fn doubted(&self) {
        self.doubt.notified().await;
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.call("answer a ping", PING, self.docker()?.ping())
            .await
            .map(drop)
    }
}

/// Returns whether the engine says that the object does not exist (404).
pub(super) fn is_gone(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Returns whether the engine says that a new container's name is in use (409).
pub(super) fn is_taken(error: &Error) -> bool {
    status(error) == Some(409)
}

/// Returns whether the engine says that the object is already being removed (409).
pub(super) fn is_going(error: &Error) -> bool {
    status(error) == Some(409)
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::Engine { source, .. } => status_of(source),
        _ => None,
    }
}

fn status_of(error: &DockerError) -> Option<u16> {
    match error {
        DockerError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Returns whether the engine answered, and the fault is the request's own.
fn is_of_request(error: &DockerError) -> bool {
    status_of(error).is_some_and(|status| (400..500).contains(&status))
}
