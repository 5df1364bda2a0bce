//! Streams a base image's root file system out of Docker, which never runs it.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use warren_protocol::time::EpochMillis;

use super::client::{Client, is_gone};
use super::image::{self, BaseImage};
use crate::{Error, Result};

/// The label of the containers that images are exported from. They have no owner, since a worker's sweep
/// would remove them while they are read.
const LABEL: &str = "warren.export";

/// The longest time that a call may take, but for pulls and the export.
const CALL: Duration = Duration::from_secs(30);
/// The longest pause between two pieces of an export: Docker first prepares the whole.
const PIECE: Duration = Duration::from_secs(120);
/// The age from which such a container is taken for lost: no export takes that long.
const LOST: Duration = Duration::from_secs(60 * 60);

/// An image that this Docker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImage {
    /// Its id, which is the digest of its configuration.
    pub id: String,
    /// The variables that it sets, each as `NAME=VALUE`.
    pub environment: Vec<String>,
}

/// Docker as a source of root file systems.
pub struct Exporter(Client);

/// A container that is only there to be read.
pub struct ExportContainer(String);

/// The archive of a root file system, in pieces.
pub type Archive = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Exporter {
    /// Creates one.
    ///
    /// # Errors
    /// `DOCKER_HOST` cannot be used. A Docker that does not answer is no error.
    pub fn new() -> Result<Self> {
        Client::new().map(Self)
    }

    /// Looks for an image.
    ///
    /// # Errors
    /// Docker does not answer.
    pub async fn find(&self, image: &BaseImage) -> Result<Option<FoundImage>> {
        let inspect = self.0.docker()?.inspect_image(image.reference.as_str());
        match self.0.call("inspect an image", CALL, inspect).await {
            Ok(found) => Ok(found.id.map(|id| FoundImage {
                id,
                environment: found
                    .config
                    .and_then(|config| config.env)
                    .unwrap_or_default(),
            })),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds an image, and pulls it if it is not there.
    ///
    /// # Errors
    /// Docker does not answer, or cannot get the image.
    pub async fn get(&self, image: &BaseImage) -> Result<FoundImage> {
        if let Some(found) = self.find(image).await? {
            return Ok(found);
        }
        let pulled = image::pull(&self.0, &image.reference)?.await;
        pulled.map_err(|reason| image::missing(image, reason))?;
        let gone = || image::missing(image, "it was pulled but does not exist".to_owned());
        self.find(image).await?.ok_or_else(gone)
    }

    /// Makes a container to read the image from. It is never started, and has to be given to
    /// [`Exporter::remove`].
    ///
    /// # Errors
    /// Docker fails to make it.
    pub async fn open(&self, image: &FoundImage) -> Result<ExportContainer> {
        self.remove_lost().await;
        let body = ContainerCreateBody {
            image: Some(image.id.clone()),
            // An image need not have one, and Docker wants one.
            cmd: Some(vec!["/".to_owned()]),
            labels: Some(HashMap::from([(LABEL.to_owned(), "1".to_owned())])),
            network_disabled: Some(true),
            ..ContainerCreateBody::default()
        };
        let create = self.0.docker()?;
        let create = create.create_container(None::<CreateContainerOptions>, body);
        let made = self
            .0
            .call("make a container to export", CALL, create)
            .await?;
        Ok(ExportContainer(made.id))
    }

    /// Reads the container's root file system.
    ///
    /// # Errors
    /// There is no Docker. What fails later is an error of the archive's.
    pub fn read(&self, container: &ExportContainer) -> Result<Archive> {
        let docker = self.0.docker()?.clone();
        let pieces = docker.export_container(&container.0);
        let pieces = Box::pin(pieces.map(|piece| piece.map_err(io::Error::other)));
        Ok(Box::pin(stream::unfold(pieces, |mut pieces| async {
            let next = tokio::time::timeout(PIECE, pieces.next()).await;
            let next = next.unwrap_or_else(|_elapsed| {
                let reason = "Docker stopped sending the image";
                Some(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
            });
            next.map(|piece| (piece, pieces))
        })))
    }

    /// Removes the container.
    pub async fn remove(&self, container: ExportContainer) {
        if let Err(error) = self.remove_by_id(&container.0).await {
            tracing::debug!(%error, "cannot remove an exported container; a later import does");
        }
    }

    async fn remove_by_id(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let remove = self.0.docker()?.remove_container(id, Some(options));
        self.0
            .call("remove an exported container", CALL, remove)
            .await
    }

    /// Removes containers of imports that were killed.
    async fn remove_lost(&self) {
        let removed: Result<()> = async {
            let filters = HashMap::from([("label", vec![LABEL])]);
            let options = ListContainersOptionsBuilder::default()
                .all(true)
                .filters(&filters)
                .build();
            let list = self.0.docker()?.list_containers(Some(options));
            let now = EpochMillis::now();
            for one in self.0.call("list exported containers", CALL, list).await? {
                let created = one.created.and_then(|created| u64::try_from(created).ok());
                let created = Duration::from_secs(created.unwrap_or(0));
                let is_lost = EpochMillis::from_millis(0) + created + LOST < now;
                if let (Some(id), true) = (one.id, is_lost) {
                    self.remove_by_id(&id).await?;
                }
            }
            Ok(())
        }
        .await;
        if let Err(error) = removed {
            tracing::debug!(%error, "cannot remove lost containers; a later import retries");
        }
    }
}

/// Returns whether the error says that Docker could not be asked at all.
pub fn is_unreachable(error: &Error) -> bool {
    match error {
        Error::EngineTimedOut { .. } => true,
        Error::Engine { source, .. } => !matches!(
            **source,
            bollard::errors::Error::DockerResponseServerError { .. }
        ),
        _ => false,
    }
}
