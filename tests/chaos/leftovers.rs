//! Looks for leftovers: containers, processes, cgroups, mounts, volumes, disk.
//!
//! It does not count other users' property, such as another user's containers on the same engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use bollard::query_parameters::ListContainersOptionsBuilder;

use crate::harness::docker;
use crate::harness::wait::SOON;

/// The time after which nothing may be left, on the slowest machine.
pub const GONE: Duration = SOON;
/// The disk space that the engine's own records and a newly prepared image may take; containers
/// that stay take more.
const DISK: u64 = 64 << 20;
/// The depth of containers' groups below the mount points of cgroups.
const CGROUP_DEPTH: usize = 4;

/// The state of the machine before, which is nobody's leftover.
pub struct Before {
    volumes: BTreeSet<String>,
    seen: Seen,
    root: PathBuf,
}

/// The present state of the machine.
#[derive(Default)]
struct Seen {
    cgroups: BTreeSet<String>,
    mounts: BTreeSet<String>,
    files: BTreeSet<PathBuf>,
}

/// The leftovers that were found in the end.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    pub containers: Vec<String>,
    pub processes: Vec<String>,
    pub cgroups: Vec<String>,
    pub mounts: Vec<String>,
    pub volumes: Vec<String>,
    pub disk: u64,
}

impl Leftovers {
    /// Returns whether nothing is left.
    pub fn is_clean(&self) -> bool {
        let Self {
            containers,
            processes,
            cgroups,
            mounts,
            volumes,
            disk,
        } = self;
        [containers, processes, cgroups, mounts, volumes]
            .iter()
            .all(|left| left.is_empty())
            && *disk <= DISK
    }
}

impl Before {
    /// Records the state of the machine.
    pub async fn take() -> anyhow::Result<Self> {
        let info = docker::client().info().await?;
        let root = PathBuf::from(
            info.docker_root_dir
                .context("Docker has a root directory")?,
        );
        Ok(Self {
            volumes: docker::volumes().await.into_iter().collect(),
            seen: Seen::now(&root)?,
            root,
        })
    }

    /// Waits until nothing is left of these workers, for [`GONE`] at most. Returns what is left,
    /// and how long the wait took.
    pub async fn left(&self, workers: &BTreeSet<String>) -> anyhow::Result<(Leftovers, Duration)> {
        let started = Instant::now();
        loop {
            let left = self.look(workers).await?;
            if left.is_clean() || started.elapsed() > GONE {
                return Ok((left, started.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Returns what is left now.
    pub async fn look(&self, workers: &BTreeSet<String>) -> anyhow::Result<Leftovers> {
        // First lists what exists, then whose it is: a container made in between is in both.
        let seen = Seen::now(&self.root)?;
        let processes = processes_of_jobs();
        let volumes = docker::volumes().await.into_iter();
        let containers = containers().await?;
        let others: Vec<_> = containers
            .iter()
            .filter(|(_, worker)| !workers.contains(*worker))
            .map(|(id, _)| id.as_str())
            .collect();
        let foreign = |text: &str| others.iter().any(|id| text.contains(id));
        let ours = containers
            .iter()
            .filter(|(_, worker)| workers.contains(*worker));
        let layers = layers_of(&others).await;
        let new = |path: &&PathBuf| {
            let text = path.to_string_lossy();
            !self.seen.files.contains(*path)
                && !foreign(&text)
                && !layers.iter().any(|layer| text.contains(layer.as_str()))
        };
        let alien = |text: &str| foreign(text) || layers.iter().any(|l| text.contains(l.as_str()));
        Ok(Leftovers {
            containers: ours
                .map(|(id, worker)| format!("{id} of {worker}"))
                .collect(),
            processes: processes
                .into_iter()
                .filter(|cgroup| !foreign(cgroup))
                .collect(),
            cgroups: (seen.cgroups.difference(&self.seen.cgroups))
                .filter(|name| !foreign(name))
                .cloned()
                .collect(),
            mounts: (seen.mounts.difference(&self.seen.mounts))
                .filter(|name| !alien(name))
                .cloned()
                .collect(),
            volumes: volumes
                .filter(|name| !self.volumes.contains(name))
                .collect(),
            disk: seen
                .files
                .iter()
                .filter(new)
                .map(|path| size_of(path))
                .sum(),
        })
    }
}

/// Returns every container with the worker that made it, if one did.
pub async fn containers() -> anyhow::Result<BTreeMap<String, String>> {
    let options = ListContainersOptionsBuilder::default().all(true).build();
    let all = docker::client().list_containers(Some(options)).await?;
    Ok(all
        .into_iter()
        .filter_map(|container| {
            let worker = container
                .labels
                .unwrap_or_default()
                .remove("warren.instance");
            Some((container.id?, worker.unwrap_or_default()))
        })
        .collect())
}

/// Returns the names of the writable layers of containers that are not ours.
async fn layers_of(ids: &[&str]) -> Vec<String> {
    let mut layers = Vec::new();
    for id in ids {
        let inspected = docker::client()
            .inspect_container(
                id,
                None::<bollard::query_parameters::InspectContainerOptions>,
            )
            .await;
        // A container that has gone in the meantime is looked at the next time.
        let driver = inspected.ok().and_then(|container| container.graph_driver);
        let upper = driver.and_then(|driver| driver.data.get("UpperDir").cloned());
        let layer = upper.and_then(|path| {
            let parent = Path::new(&path).parent()?.file_name()?;
            Some(parent.to_string_lossy().into_owned())
        });
        layers.extend(layer);
    }
    layers
}

impl Seen {
    fn now(root: &Path) -> anyhow::Result<Self> {
        let mut seen = Self::default();
        cgroups(Path::new("/sys/fs/cgroup"), CGROUP_DEPTH, &mut seen.cgroups);
        let mounts = fs::read_to_string("/proc/mounts").context("/proc/mounts")?;
        let root_text = root.to_string_lossy();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        seen.mounts = places
            .filter(|place| place.starts_with(&*root_text))
            .map(str::to_owned)
            .collect();
        for part in ["containers", "overlay2", "volumes"] {
            // A daemon elsewhere, or of another storage driver, shows nothing here.
            let entries = fs::read_dir(root.join(part))
                .into_iter()
                .flatten()
                .flatten();
            seen.files.extend(entries.map(|entry| entry.path()));
        }
        Ok(seen)
    }
}

/// Finds groups named after a container: 64 hexadecimal digits somewhere in the name.
fn cgroups(directory: &Path, depth: usize, found: &mut BTreeSet<String>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let id = name
            .split(|c: char| !c.is_ascii_hexdigit())
            .any(|part| part.len() == 64);
        if id {
            found.insert(entry.path().to_string_lossy().into_owned());
        } else if depth > 0 {
            cgroups(&entry.path(), depth - 1, found);
        }
    }
}

/// Returns the cgroups of the processes that run as one of the users of containers.
fn processes_of_jobs() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_jobs = entries.filter(|entry| {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:\t"));
        let real = uids.and_then(|uids| uids.split('\t').next()?.parse::<u32>().ok());
        real.is_some_and(|uid| docker::USERS.contains(&uid))
    });
    of_jobs
        .map(|entry| {
            let cgroup = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            format!("{}: {cgroup}", entry.path().display())
        })
        .collect()
}

fn size_of(path: &Path) -> u64 {
    let Ok(data) = fs::symlink_metadata(path) else {
        return 0;
    };
    let own = data.blocks() * 512;
    if !data.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| size_of(&entry.path())).sum::<u64>()
}
