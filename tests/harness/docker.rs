//! Reads from the Docker Engine which containers and volumes a worker has.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::wait::SOON;

/// The user ids that containers run as (`UIDS` of the worker's engine).
pub const USERS: Range<u32> = 60_706..61_184;

/// Returns a client of the engine that the tests run on.
pub fn client() -> Docker {
    Docker::connect_with_defaults().expect("DOCKER_HOST can be used")
}

/// Returns every container that this worker made, in any state.
pub async fn containers_of(instance: &str) -> Vec<ContainerSummary> {
    containers_at(&client(), instance).await
}

/// Returns the ids of a worker's containers on another engine.
pub async fn ids_at(client: &Docker, instance: &str) -> BTreeSet<String> {
    let containers = containers_at(client, instance).await.into_iter();
    containers.filter_map(|container| container.id).collect()
}

async fn containers_at(client: &Docker, instance: &str) -> Vec<ContainerSummary> {
    let label = format!("warren.instance={instance}");
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    client
        .list_containers(Some(options))
        .await
        .expect("docker lists containers")
}

/// Returns the ids of those of them that were started for a job.
pub async fn containers_of_jobs(instance: &str) -> Vec<String> {
    let containers = containers_of(instance).await.into_iter();
    let of_jobs = containers.filter(|container| {
        let labels = container.labels.as_ref();
        labels.is_some_and(|labels| labels.contains_key("warren.job"))
    });
    of_jobs.filter_map(|container| container.id).collect()
}

/// Returns the kernel's file with the CPU time of a container, once it has been started on this host.
/// Docker's own statistics take longer than what is to be measured.
pub fn cpu_account(id: &str) -> Option<PathBuf> {
    let accounts = |directory: &Path| {
        let files = ["cpuacct.usage", "cpu.stat"].map(|name| directory.join(name));
        files.into_iter().find(|file| cpu_in(file).is_some())
    };
    let mut found = None;
    let mut left = vec![(PathBuf::from("/sys/fs/cgroup"), 4)];
    while let Some((directory, depth)) = left.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().contains(id) {
                found = found.or_else(|| accounts(&path));
            } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push((path, depth - 1));
            }
        }
    }
    found
}

/// Returns the CPU time in such a file: nanoseconds in cgroup v1, a line of microseconds in v2.
pub fn cpu_in(account: &Path) -> Option<Duration> {
    let text = std::fs::read_to_string(account).ok()?;
    match text.trim().parse() {
        Ok(nanoseconds) => Some(Duration::from_nanos(nanoseconds)),
        Err(_) => {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec "))?;
            line.trim().parse().ok().map(Duration::from_micros)
        }
    }
}

/// Returns the user that a container runs as.
pub async fn user_of(client: &Docker, id: &str) -> u32 {
    let container = client.inspect_container(id, None).await;
    let config = container.expect("it exists").config;
    let user = config.and_then(|config| config.user).unwrap_or_default();
    let (user, group) = user.split_once(':').expect("user and group");
    assert_eq!(user, group);
    user.parse().expect("a number")
}

/// Returns their ids.
pub async fn ids_of(instance: &str) -> BTreeSet<String> {
    ids_at(&client(), instance).await
}

/// Returns the marks in the names of everything that the engine leaves of this worker's containers
/// on the machine: their ids, and the directories of their layers.
pub async fn marks_of(instance: &str) -> BTreeSet<String> {
    let mut marks = BTreeSet::new();
    for id in ids_of(instance).await {
        let container = client().inspect_container(&id, None).await;
        // A container whose removal the engine had begun may disappear in the meantime.
        let driver = container.ok().and_then(|container| container.graph_driver);
        let layers = driver.and_then(|driver| driver.data.get("MergedDir").cloned());
        marks.extend(layers);
        marks.insert(id);
    }
    marks
}

/// Waits until this worker's containers are `what`.
pub async fn until(instance: &str, what: &str, are_so: impl Fn(&[ContainerSummary]) -> bool) {
    let started = Instant::now();
    loop {
        let containers = containers_of(instance).await;
        if are_so(&containers) {
            return;
        }
        assert!(
            started.elapsed() < SOON,
            "{} containers are not {what}: {containers:#?}",
            containers.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until none of this worker's containers is left.
pub async fn until_none_of(instance: &str) {
    until(instance, "gone", <[_]>::is_empty).await;
}

/// Kills a container, as an operator or the kernel might.
pub async fn kill(id: &str) {
    // One that has ended in the meantime is as dead as it should be.
    drop(
        client()
            .kill_container(id, None::<bollard::query_parameters::KillContainerOptions>)
            .await,
    );
}

/// Returns the names of all volumes but those of sandbox images, which outlive their containers.
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
        .filter(|name| !name.starts_with("warren-sandbox-"))
        .collect();
    names.sort();
    names
}
