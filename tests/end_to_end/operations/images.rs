//! Checks that the images made by Warren do not pile up on its host.

use std::time::{Duration, Instant};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ImportImageOptions, RemoveContainerOptionsBuilder,
    RemoveImageOptions,
};
use futures_util::StreamExt;
use serde_json::json;

use crate::harness::wait::SOON;
use crate::harness::{docker, machine, warren::Warren};

const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const YOUNG: &str = "2999-01-01T00:00:00Z";

/// The digest of an archive of nothing: 1,024 zeros.
const EMPTY_LAYER: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// Loads an image of one empty layer into the engine, and distinguishes it from others by a label.
async fn load(name: Option<&str>, created: &str, distinct: &str) {
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": created,
        "config": { "Cmd": [distinct], "Labels": { "warren.sandbox": "1", "test": distinct } },
        "rootfs": { "type": "layers", "diff_ids": [EMPTY_LAYER] },
    });
    let names: Vec<_> = name.into_iter().collect();
    let manifest = json!([{ "Config": "config.json", "RepoTags": names, "Layers": ["layer.tar"] }]);
    let mut archive = tar::Builder::new(Vec::new());
    for (file, content) in [
        ("config.json", config.to_string().into_bytes()),
        ("manifest.json", manifest.to_string().into_bytes()),
        ("layer.tar", vec![0; 1_024]),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, file, content.as_slice())
            .expect("an archive in memory");
    }
    let body = bollard::body_full(archive.into_inner().expect("an archive").into());
    let docker = docker::client();
    let mut steps = std::pin::pin!(docker.import_image(ImportImageOptions::default(), body, None));
    while let Some(step) = steps.next().await {
        step.expect("docker loads an image");
    }
}

/// Returns whether an image with this label of `load` exists, by name or without.
async fn is_there(distinct: &str) -> bool {
    let filters = [("label".to_owned(), vec![format!("test={distinct}")])].into();
    let options = bollard::query_parameters::ListImagesOptionsBuilder::default()
        .filters(&filters)
        .build();
    let found = docker::client().list_images(Some(options)).await;
    !found.expect("docker lists images").is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_images_of_other_days_are_removed() {
    let _machine = machine::shared().await;
    let docker = docker::client();
    let of = |what: &str| format!("warren-sandbox:test-{what}-{}", std::process::id());
    let [old, nameless, young, used] = ["old", "nameless", "young", "used"].map(of);
    load(Some(&old), LONG_AGO, &old).await;
    load(None, LONG_AGO, &nameless).await;
    load(Some(&young), YOUNG, &young).await;
    load(Some(&used), LONG_AGO, &used).await;
    let user = used.replace(':', "-");
    let options = CreateContainerOptionsBuilder::default().name(&user).build();
    let body = ContainerCreateBody {
        image: Some(used.clone()),
        ..ContainerCreateBody::default()
    };
    docker
        .create_container(Some(options), body)
        .await
        .expect("a container that uses an image");

    let _warren = Warren::start("up", &[]).await.expect("warren up starts");
    let started = Instant::now();
    while is_there(&old).await || is_there(&nameless).await {
        assert!(started.elapsed() < SOON, "the old images are still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(is_there(&young).await, "younger than a day");
    assert!(is_there(&used).await, "a container uses it");

    let force = RemoveContainerOptionsBuilder::default().force(true).build();
    docker
        .remove_container(&user, Some(force))
        .await
        .expect("the container goes");
    for name in [&young, &used] {
        let removed = docker.remove_image(name, None::<RemoveImageOptions>, None);
        removed.await.expect("the image goes");
    }
}
