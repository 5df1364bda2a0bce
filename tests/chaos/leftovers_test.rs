//! Tests that the search for leftovers finds them.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{ContainerCreateBody, HostConfig, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    StartContainerOptions,
};

use super::leftovers::Before;
use crate::harness::{docker, images, machine};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_left_behind_is_seen_with_all_that_belongs_to_it() {
    let _machine = machine::alone().await;
    let engine = docker::client();
    let worker = "worker-that-never-was";
    let user = docker::USERS.end - 1;
    let image = images::variables().remove("WARREN_IMAGE_PYTHON");
    let before = Before::take().await.expect("the machine can be looked at");
    let container = ContainerCreateBody {
        image: Some(image.unwrap_or_else(|| "python:3.10-alpine".to_owned())),
        // It ends by itself, in case this test does not finish.
        cmd: Some(vec!["sleep".to_owned(), "60".to_owned()]),
        user: Some(format!("{user}:{user}")),
        labels: Some(HashMap::from([(
            "warren.instance".to_owned(),
            worker.to_owned(),
        )])),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let made = engine
        .create_container(None::<CreateContainerOptions>, container)
        .await
        .expect("a container");
    let started = engine
        .start_container(&made.id, None::<StartContainerOptions>)
        .await;
    let volume = engine
        .create_volume(VolumeCreateRequest::default())
        .await
        .expect("a volume");
    let ours = BTreeSet::from([worker.to_owned()]);
    let left = before.look(&ours).await;
    let remove = RemoveContainerOptionsBuilder::default().force(true).build();
    // A worker on the same engine may have swept it; the check below shows whether it is gone.
    drop(engine.remove_container(&made.id, Some(remove)).await);
    let volume_removed = engine
        .remove_volume(&volume.name, None::<RemoveVolumeOptions>)
        .await;
    started.expect("it starts");
    volume_removed.expect("the volume is removed");
    let left = left.expect("the machine can be looked at");
    assert_eq!(left.containers, [format!("{} of {worker}", made.id)]);
    assert_eq!(left.processes.len(), 1, "{left:#?}");
    assert!(
        left.cgroups.iter().any(|name| name.contains(&made.id)),
        "{left:#?}"
    );
    assert!(!left.mounts.is_empty() && left.disk > 0, "{left:#?}");
    assert!(left.volumes.contains(&volume.name), "{left:#?}");
    assert!(!left.is_clean());
    let (left, _) = before.left(&ours).await.expect("it can be looked at");
    assert!(left.is_clean(), "{left:#?}");
}
