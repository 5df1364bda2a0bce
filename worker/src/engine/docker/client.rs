//! The Docker client with every call bounded in time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as DockerError;
use tokio::sync::OnceCell;

use crate::{Error, Result};

/// How long the engine may take to say that it is there.
const PING: Duration = Duration::from_secs(2);

/// A handle to the engine; clones share its connections.
#[derive(Clone)]
pub(super) struct Client {
    docker: Docker,
    negotiated: Arc<OnceCell<()>>,
}

impl Client {
    pub(super) fn new() -> Result<Self> {
        let docker = Docker::connect_with_defaults().map_err(|source| Error::Engine {
            doing: "read DOCKER_HOST",
            source: Box::new(source),
        })?;
        Ok(Self {
            docker,
            negotiated: Arc::default(),
        })
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Awaits a call for at most `within`. The first call of all agrees on the API's version,
    /// which clones of the client share.
    pub(super) async fn call<T>(
        &self,
        doing: &'static str,
        within: Duration,
        call: impl Future<Output = std::result::Result<T, DockerError>>,
    ) -> Result<T> {
        let call = async {
            self.negotiated
                .get_or_try_init(|| async {
                    self.docker.clone().negotiate_version().await.map(drop)
                })
                .await?;
            call.await
        };
        match tokio::time::timeout(within, call).await {
            Ok(result) => result.map_err(|source| Error::Engine {
                doing,
                source: Box::new(source),
            }),
            Err(_elapsed) => Err(Error::EngineTimedOut { doing, within }),
        }
    }

    pub(super) async fn ping(&self) -> Result<()> {
        self.call("answer a ping", PING, self.docker.ping())
            .await
            .map(drop)
    }
}

/// Whether the engine says that what was asked for is not there (404) or already on its way out
/// (409).
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Engine { source, .. }
        if matches!(**source, DockerError::DockerResponseServerError { status_code: 404 | 409, .. }))
}
