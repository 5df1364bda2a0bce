//! What the Docker Engine holds of ours, asked of it directly.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::ListContainersOptionsBuilder;

/// How long removal, which is off the caller's path, may lag behind.
const GONE: Duration = Duration::from_secs(30);

/// A client of the engine that the tests run on.
pub fn client() -> Docker {
    Docker::connect_with_defaults().expect("DOCKER_HOST can be used")
}

/// Every container that a Warren made to run a job, in any state.
pub async fn job_containers() -> Vec<ContainerSummary> {
    let filters = HashMap::from([("label".to_owned(), vec!["warren.job".to_owned()])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    client()
        .list_containers(Some(options))
        .await
        .expect("docker lists containers")
}

/// Waits until no such container is left.
pub async fn until_no_job_containers() {
    let started = Instant::now();
    loop {
        let left = job_containers().await;
        if left.is_empty() {
            return;
        }
        assert!(
            started.elapsed() < GONE,
            "{} containers are left: {left:#?}",
            left.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits for a container of one job to appear and inspects it.
pub async fn inspect_a_job_container() -> ContainerInspectResponse {
    let started = Instant::now();
    loop {
        if let Some(id) = job_containers()
            .await
            .into_iter()
            .find_map(|container| container.id)
            && let Ok(container) = client().inspect_container(&id, None).await
        {
            return container;
        }
        assert!(started.elapsed() < GONE, "no container of a job was seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The names of all volumes.
pub async fn volumes() -> Vec<String> {
    let volumes = client()
        .list_volumes(None::<bollard::query_parameters::ListVolumesOptions>)
        .await;
    let mut names: Vec<String> = volumes
        .expect("docker lists volumes")
        .volumes
        .unwrap_or_default()
        .into_iter()
        .map(|v| v.name)
        .collect();
    names.sort();
    names
}
