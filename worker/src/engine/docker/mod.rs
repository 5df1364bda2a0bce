//! The Docker implementation of [`Engine`].

mod autopsy;
mod client;
mod hardening;
mod host;
mod image;
mod labels;
mod reaper;
mod runtime;
mod seccomp;
mod sweep;
mod uids;

use hardening::{Blueprint, harden};
pub use image::BaseImage;
pub use runtime::{RuntimeName, VARIABLE as RUNTIME_VARIABLE};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, future};
use uuid::Uuid;
use warren_languages::LanguageName;
use warren_protocol::ids::InstanceId;

use crate::engine::{Container, ContainerId, Engine, EngineHost, EngineReport, Launch, Swept};
use crate::{Error, Result};
use client::Client;
use image::Images;
use labels::Labels;
use reaper::Reaper;
use runtime::Runtime;
use uids::Uids;

/// The longest time that a launch may take: a healthy engine needs a fifth of a second.
const LAUNCH: Duration = Duration::from_secs(3);

/// The Docker engine's configuration.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// The worker that owns the containers.
    pub instance: InstanceId,
    /// The base image of each language.
    pub images: BTreeMap<LanguageName, BaseImage>,
    /// The daemon's runtime that makes them; `None` for its default.
    pub runtime: Option<RuntimeName>,
    /// The most containers that exist at a time, those being removed included.
    pub max_containers: usize,
}

/// An engine that makes containers with Docker.
pub struct DockerEngine {
    client: Client,
    images: Images,
    runtime: Runtime,
    reaper: Arc<Reaper>,
    instance: InstanceId,
    uids: Uids,
}

impl DockerEngine {
    /// Creates an engine on the daemon that `DOCKER_HOST` names, or the local one. Does not fail
    /// while the daemon is down, since each launch asks it again.
    ///
    /// # Errors
    /// `DOCKER_HOST` cannot be used.
    pub fn new(config: DockerConfig) -> Result<Self> {
        let client = Client::new()?;
        Ok(Self {
            images: Images::new(client.clone(), config.images),
            runtime: Runtime::new(config.runtime),
            reaper: Arc::new(Reaper::new(client.clone(), config.max_containers)),
            instance: config.instance,
            uids: Uids::new(anywhere()),
            client,
        })
    }

    async fn launch_in_steps(&self, launch: &Launch) -> Result<Container> {
        let image = self.images.ready_within(&launch.language, LAUNCH).await?;
        let slot = self.reaper.slot(LAUNCH).await?;
        let name = format!("warren-{}", Uuid::now_v7().simple());
        let labels = Labels::new(&self.instance, launch);
        let uid = self.uids.take();
        let body = harden(Blueprint {
            image: &image.derived,
            runtime: self.runtime.chosen(),
            uid: uid.number(),
            limits: &launch.limits,
            max_life_s: launch.max_life.as_secs().max(1),
            labels: labels.into_map(),
        });

        // From here on a container of that name may exist, even if a call fails or this future is
        // dropped. The guard removes it whatever happens.
        let guard = self.reaper.guard(name.clone(), slot, uid);
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let created = self
            .client
            .call(
                "create a container",
                LAUNCH,
                self.client.docker()?.create_container(Some(options), body),
            )
            .await
            .inspect_err(|error| self.images.forget_if_gone(&launch.language, error))?;
        refuse_unenforced(&created.warnings)?;

        let options = AttachContainerOptionsBuilder::default()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        let streams = self
            .client
            .call(
                "attach to a container",
                LAUNCH,
                self.client.docker()?.attach_container(&name, Some(options)),
            )
            .await?;
        self.client
            .call(
                "start a container",
                LAUNCH,
                self.client.docker()?.start_container(&name, None),
            )
            .await?;

        let id = ContainerId::new(created.id);
        let container = id.clone();
        let output = streams
            .output
            .filter_map(move |piece| future::ready(stdout(&container, piece)));
        Ok(Container {
            id,
            image: image.base.clone(),
            input: streams.input,
            output: Box::pin(output),
            handle: Box::new(guard),
        })
    }
}

impl Engine for DockerEngine {
    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let runtime = self.runtime.found(&self.client).await?;
            tracing::info!(runtime, "Docker is there");
            let tried = future::join_all(self.images.languages().map(|language| async move {
                let image = self.images.ready(language).await;
                match &image {
                    Ok(image) => tracing::info!(%language, image = image.base, "ready"),
                    Err(error) => tracing::error!(%language, %error, "a language cannot be run"),
                }
                image
            }));
            let (ready, faults): (Vec<_>, Vec<_>) = tried
                .await
                .into_iter()
                .partition(std::result::Result::is_ok);
            match faults.into_iter().next() {
                Some(Err(error)) if ready.is_empty() => Err(error),
                Some(_) => Ok(()),
                None => {
                    let images = self.images.clone();
                    // In the background: if the process ends first, no harm is done.
                    drop(tokio::spawn(async move { images.prune().await }));
                    Ok(())
                }
            }
        })
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Container>> {
        Box::pin(async move {
            // Each call has its own error for a timeout; together they may take no longer than one.
            match tokio::time::timeout(LAUNCH, self.launch_in_steps(launch)).await {
                Ok(launched) => launched,
                Err(_elapsed) => Err(self.client.timed_out("start a container", LAUNCH)),
            }
        })
    }

    fn sweep(&self) -> BoxFuture<'_, Result<Swept>> {
        Box::pin(sweep::sweep(&self.client, &self.instance, &self.reaper))
    }

    fn check(&self) -> BoxFuture<'_, Result<EngineReport>> {
        Box::pin(async move {
            self.client.ping().await?;
            let runtime = self.runtime.found(&self.client).await?;
            Ok(EngineReport {
                description: format!("runtime {runtime}"),
                faults: self.images.look().await?,
            })
        })
    }

    fn host(&self) -> BoxFuture<'_, Result<EngineHost>> {
        Box::pin(host::describe(&self.client))
    }

    fn quarantined(&self) -> usize {
        self.reaper.quarantined()
    }

    fn doubted(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.client.doubted())
    }

    fn drain(&self, grace: Duration) -> BoxFuture<'_, usize> {
        Box::pin(self.reaper.drain(grace))
    }
}

/// Returns a random number, the user id to begin with.
fn anywhere() -> u32 {
    let [.., a, b, c, d] = Uuid::now_v7().into_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Passes the runner's frames on. Logs its diagnostics, which never hold user data.
fn stdout(
    container: &ContainerId,
    piece: std::result::Result<LogOutput, bollard::errors::Error>,
) -> Option<std::io::Result<bytes::Bytes>> {
    match piece {
        Ok(LogOutput::StdOut { message }) => Some(Ok(message)),
        Ok(LogOutput::StdErr { message }) => {
            tracing::warn!(%container, says = %String::from_utf8_lossy(&message).trim_end(), "runner");
            None
        }
        Ok(_) => None,
        Err(error) => Some(Err(std::io::Error::other(error))),
    }
}

/// Refuses a container whose limits are not all enforced: dockerd drops limits that the kernel lacks
/// and only warns of it, and the sandbox must never be weaker.
fn refuse_unenforced(warnings: &[String]) -> Result<()> {
    let (limits, others): (Vec<_>, Vec<_>) = warnings.iter().partition(|warning| {
        let warning = warning.to_lowercase();
        ["kernel", "cgroup", "limit", "discard"]
            .iter()
            .any(|word| warning.contains(word))
    });
    for warning in others {
        tracing::debug!(warning, "docker warns of a container");
    }
    match limits.first() {
        Some(warning) => Err(Error::LimitsNotEnforced(warning.to_string())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_limit_is_refused_and_another_warning_is_not() {
        let swap = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
        assert!(refuse_unenforced(&[swap.to_owned()]).is_err());
        let platform = "The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64)";
        assert!(refuse_unenforced(&[platform.to_owned()]).is_ok());
    }
}
