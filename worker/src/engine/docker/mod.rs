//! The Docker implementation of [`Engine`].

mod autopsy;
mod client;
mod daemon;
mod export;
mod hardening;
mod host;
mod image;
mod labels;
mod reaper;
mod seccomp;
mod sweep;

pub use daemon::{RUNTIME_VARIABLE, RuntimeName};
pub use export::{Archive, Exporter, FoundImage, is_unreachable};
use hardening::{Blueprint, harden};
pub use image::BaseImage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, future};
use warren_languages::LanguageName;
use warren_protocol::ids::InstanceId;
use warren_protocol::outcome::EngineName;
use warren_rootfs::USERS;

use crate::engine::core::{Core, CpuSet};
use crate::engine::uids::Uids;
use crate::engine::{
    Container, ContainerId, Effort, Engine, EngineHost, EngineReport, Launch, Purpose, Swept,
};
use crate::{Error, Result};
use client::{Client, is_taken};
use daemon::{Choices, Daemon};
use image::{Image, Images};
use labels::Labels;
use reaper::{Guard, Reaper};

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
    /// The CPUs that they run on; `None` for all that worker and daemon may use.
    pub cpus: Option<CpuSet>,
    /// The most containers that exist at a time, those being removed included.
    pub max_containers: usize,
}

/// An engine that makes containers with Docker.
pub struct DockerEngine {
    client: Client,
    images: Images,
    daemon: Daemon,
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
        let uids = Uids::new(USERS, fastrand::u32(..));
        Ok(Self {
            images: Images::new(client.clone(), config.images),
            daemon: Daemon::new(Choices {
                runtime: config.runtime,
                cpus: config.cpus,
            }),
            reaper: Arc::new(Reaper::new(
                client.clone(),
                config.instance.clone(),
                config.max_containers.min(uids.count() as usize),
            )),
            instance: config.instance,
            uids,
            client,
        })
    }

    async fn launch_in_steps(&self, launch: &Launch) -> Result<Container> {
        let image = self.images.ready_within(&launch.language, LAUNCH).await?;
        let daemon = self.daemon.found(&self.client).await?;
        let core = match launch.purpose {
            Purpose::Job(_) => daemon.cores.for_job(),
            Purpose::Park => daemon.cores.to_park(),
        };
        let (guard, id) = self.create(launch, &image, &core).await?;
        let name = id.as_str();

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
                self.client.docker()?.attach_container(name, Some(options)),
            )
            .await?;
        self.client
            .call(
                "start a container",
                LAUNCH,
                self.client.docker()?.start_container(name, None),
            )
            .await?;

        let container = id.clone();
        let output = streams
            .output
            .filter_map(move |piece| future::ready(stdout(&container, piece)));
        Ok(Container {
            id,
            image: image.base.to_string(),
            core,
            input: streams.input,
            output: Box::pin(output),
            handle: Box::new(guard),
        })
    }

    /// Creates the container, as a user that no other container of the daemon has.
    async fn create(
        &self,
        launch: &Launch,
        image: &Image,
        core: &Core,
    ) -> Result<(Guard, ContainerId)> {
        for _ in 0..self.uids.count() {
            let slot = self.reaper.slot(LAUNCH).await?;
            let uid = self
                .uids
                .take()
                .ok_or(Error::UsersTaken(self.uids.count()))?;
            let name = uid.container_name();
            let body = harden(Blueprint {
                image: &image.name,
                etc: &image.etc,
                runtime: self.daemon.chosen_runtime(),
                uid: uid.number(),
                core,
                limits: &launch.limits,
                max_life_s: launch.max_life.as_secs().max(1),
                labels: Labels::new(&self.instance, launch).into_map(),
            });
            // From here on a container of that name may exist, even if a call fails or this future
            // is dropped. The guard removes it whatever happens, if it is this worker's.
            let mut guard = self.reaper.guard(name.clone(), slot, uid);
            let options = CreateContainerOptionsBuilder::default().name(&name).build();
            let create = self.client.docker()?.create_container(Some(options), body);
            match self.client.call("create a container", LAUNCH, create).await {
                Ok(created) => {
                    let id = ContainerId::new(created.id);
                    guard.created(id.clone());
                    refuse_unenforced(&created.warnings)?;
                    return Ok((guard, id));
                }
                Err(error) if is_taken(&error) => {
                    self.uids.jump(fastrand::u32(..));
                    guard.give_up();
                }
                Err(error) => {
                    self.images.forget_if_gone(&launch.language, &error);
                    return Err(error);
                }
            }
        }
        Err(Error::UsersTaken(self.uids.count()))
    }
}

impl Engine for DockerEngine {
    fn name(&self) -> EngineName {
        EngineName::Docker
    }

    fn effort(&self) -> Effort {
        Effort::Heavy
    }

    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let daemon = self.daemon.found(&self.client).await?;
            let (runtime, says) = (&daemon.runtime, &daemon.description);
            tracing::info!(runtime, says, "Docker is there");
            let tried = future::join_all(self.images.languages().map(|language| async move {
                let image = self.images.ready(language).await;
                match &image {
                    Ok(image) => tracing::info!(%language, image = %image.base, "ready"),
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
            let daemon = self.daemon.found(&self.client).await?;
            Ok(EngineReport {
                description: daemon.description.clone(),
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
