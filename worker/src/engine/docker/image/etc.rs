//! The `/etc` of a sandbox image's containers, in a volume of its own.
//!
//! Docker puts an empty `/etc/hosts` into every container that has no network, whatever its image has
//! there (daemon/initlayer), and then programs do not know `localhost`. So the image has a copy of its
//! `/etc` with that file filled in. Docker copies it into the image's volume, once, and containers see
//! the volume, read-only, as their `/etc`.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};

use super::super::client::Client;
use super::super::labels::INSTANCE;
use super::recipe::{ETC, LABEL, REPOSITORY};
use crate::Result;

/// The owner of the container that fills a volume. It is no worker's, so every sweep removes it if
/// the worker that made it dies.
const FILLER: &str = "etc";

/// The longest time that a call for a volume may take.
const CALL: Duration = Duration::from_secs(10);

/// Returns the name of the image's volume.
pub(super) fn volume(image: &str) -> String {
    image.replace(':', "-")
}

/// Makes the image's volume and fills it, unless that was done before.
pub(super) async fn provide(client: &Client, image: &str) -> Result<String> {
    let name = volume(image);
    let request = VolumeCreateRequest {
        name: Some(name.clone()),
        labels: Some(HashMap::from([(LABEL.to_owned(), "1".to_owned())])),
        ..VolumeCreateRequest::default()
    };
    let create = client.docker()?.create_volume(request);
    client.call("make a volume", CALL, create).await?;

    // Docker fills an empty volume with what the image has at its place when it creates a container,
    // which is never started.
    let filler = ContainerCreateBody {
        image: Some(image.to_owned()),
        labels: Some(HashMap::from([(INSTANCE.to_owned(), FILLER.to_owned())])),
        host_config: Some(HostConfig {
            mounts: Some(vec![Mount {
                typ: Some(MountType::VOLUME),
                source: Some(name.clone()),
                target: Some(ETC.to_owned()),
                ..Mount::default()
            }]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = None::<CreateContainerOptions>;
    let create = client.docker()?.create_container(options, filler);
    let filler = client.call("fill a volume", CALL, create).await?;
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    let remove = client.docker()?.remove_container(&filler.id, Some(options));
    if let Err(error) = client.call("remove a container", CALL, remove).await {
        tracing::debug!(%error, "cannot remove a container that filled a volume; a sweep does");
    }
    Ok(name)
}

/// Returns the names of all images' volumes.
pub(super) async fn volumes(client: &Client) -> Result<Vec<String>> {
    let filters = HashMap::from([("label", vec![LABEL])]);
    let options = ListVolumesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let list = client.docker()?.list_volumes(Some(options));
    let found = client.call("list volumes", CALL, list).await?;
    let names = found
        .volumes
        .into_iter()
        .flatten()
        .map(|volume| volume.name);
    Ok(names.collect())
}

/// Removes those of the volumes whose image is not among `images`, which were listed after them: an
/// image is there before its volume. Docker keeps those that a container uses.
pub(super) async fn prune(
    client: &Client,
    volumes: Vec<String>,
    images: &BTreeSet<&str>,
) -> Result<()> {
    for name in volumes.iter().filter(|name| is_orphan(name, images)) {
        let remove = client
            .docker()?
            .remove_volume(name, None::<RemoveVolumeOptions>);
        match client.call("remove an old volume", CALL, remove).await {
            Ok(()) => tracing::info!(volume = name, "removed an old sandbox image's volume"),
            Err(error) => tracing::debug!(volume = name, %error, "cannot remove an old volume"),
        }
    }
    Ok(())
}

/// Returns whether it is the volume of a sandbox image that is not among these.
fn is_orphan(volume_name: &str, images: &BTreeSet<&str>) -> bool {
    volume_name.starts_with(REPOSITORY) && !images.iter().any(|image| volume(image) == volume_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_goes_with_its_image() {
        let images = BTreeSet::from(["warren-sandbox:a", "python:3.10-alpine"]);
        assert!(!is_orphan("warren-sandbox-a", &images));
        assert!(is_orphan("warren-sandbox-b", &images));
        assert!(!is_orphan("database", &images));
    }
}
