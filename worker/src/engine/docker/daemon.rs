//! The daemon's own description: its runtimes, its CPUs, and how it maps users.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bollard::models::SystemInfo;
use tokio::sync::OnceCell;

use super::client::Client;
use crate::engine::core::{Cores, CpuSet};
use crate::{Error, Result};

/// The variable that chooses the runtime.
pub const RUNTIME_VARIABLE: &str = "WARREN_DOCKER_RUNTIME";

/// The longest time that the daemon may take to describe itself; it inspects its disks for that.
const INFO: Duration = Duration::from_secs(5);

/// The name of a runtime, as in the daemon's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeName(String);

impl RuntimeName {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RuntimeName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.is_empty() || !text.chars().all(fits) {
            return Err("is not a runtime's name; `docker info` lists the daemon's");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RuntimeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The settings that the daemon has to have the means for.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    /// The runtime; `None` for the daemon's default.
    pub(super) runtime: Option<RuntimeName>,
    /// The CPUs for containers; `None` for all that worker and daemon may use.
    pub(super) cpus: Option<CpuSet>,
}

/// The daemon, as it described itself once.
pub(super) struct Daemon {
    choices: Choices,
    found: OnceCell<Found>,
}

/// The daemon's description of itself, as far as launches depend on it.
pub(super) struct Found {
    /// The name of the runtime in use.
    pub(super) runtime: String,
    /// The CPUs that containers run on.
    pub(super) cores: Cores,
    /// A few words for health and logs.
    pub(super) description: String,
}

impl Daemon {
    pub(super) fn new(choices: Choices) -> Self {
        Self {
            choices,
            found: OnceCell::new(),
        }
    }

    /// Returns the runtime to name in each container's configuration.
    pub(super) fn chosen_runtime(&self) -> Option<&RuntimeName> {
        self.choices.runtime.as_ref()
    }

    /// Returns its description. Asks until it has answered once.
    pub(super) async fn found(&self, client: &Client) -> Result<&Found> {
        let found = self.found.get_or_try_init(|| async {
            let info = client
                .call("describe itself", INFO, client.docker()?.info())
                .await?;
            self.read(info)
        });
        found.await
    }

    fn read(&self, info: SystemInfo) -> Result<Found> {
        let known = info.runtimes.unwrap_or_default().into_keys().collect();
        let default = info.default_runtime.unwrap_or_default();
        let runtime = choose(self.chosen_runtime(), &known, default)?;
        let cpus = match &self.choices.cpus {
            Some(chosen) => chosen.clone(),
            None => usable(CpuSet::of_process(), info.ncpu.unwrap_or(1)),
        };
        let mut description = format!("runtime {runtime}");
        if let Some(version) = info.cgroup_version {
            description.push_str(&format!(", cgroup v{version}"));
        }
        // `name=userns` and `name=rootless`, with the options' values after a comma.
        for option in info.security_options.unwrap_or_default() {
            match option.split(',').next() {
                Some("name=userns") => description.push_str(", users remapped"),
                Some("name=rootless") => description.push_str(", rootless"),
                _ => {}
            }
        }
        Ok(Found {
            runtime,
            cores: Cores::new(&cpus, fastrand::usize(..)),
            description,
        })
    }
}

/// Returns the CPUs for containers. They are the worker's, unless these are more than the daemon's:
/// a daemon in a virtual machine, or held to some CPUs by its service, knows fewer.
fn usable(of_worker: Option<CpuSet>, of_daemon: i64) -> CpuSet {
    let count = u32::try_from(of_daemon).unwrap_or(1).max(1);
    let all = CpuSet::first(count);
    of_worker
        .filter(|cpus| cpus.count() <= all.count())
        .unwrap_or(all)
}

fn choose(
    chosen: Option<&RuntimeName>,
    known: &BTreeSet<String>,
    default: String,
) -> Result<String> {
    match chosen {
        None => Ok(default),
        Some(name) if known.contains(name.as_str()) => Ok(name.to_string()),
        Some(name) => Err(Error::RuntimeMissing {
            runtime: name.to_string(),
            known: known.iter().cloned().collect::<Vec<_>>().join(", "),
            variable: RUNTIME_VARIABLE,
        }),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::SystemInfoCgroupVersionEnum;

    use super::*;

    fn known() -> BTreeSet<String> {
        ["crun", "runc"].map(str::to_owned).into()
    }

    #[test]
    fn a_runtime_that_the_daemon_has_is_accepted() {
        let crun = "crun".parse().unwrap();
        let taken = |chosen| choose(chosen, &known(), "runc".to_owned()).unwrap();
        assert_eq!(taken(Some(&crun)), "crun");
        assert_eq!(taken(None), "runc");
    }

    #[test]
    fn an_unknown_runtime_is_refused_with_what_to_do() {
        let runsc = "runsc".parse().unwrap();
        let error = choose(Some(&runsc), &known(), "runc".to_owned()).unwrap_err();
        let says = error.to_string();
        for part in ["runsc", "crun, runc", RUNTIME_VARIABLE, "daemon.json"] {
            assert!(says.contains(part), "{part} in {says}");
        }
    }

    #[test]
    fn containers_run_on_the_workers_cpus_unless_the_daemon_has_fewer() {
        let worker = || "4-5".parse().ok();
        assert_eq!(usable(worker(), 8), "4-5".parse().unwrap());
        assert_eq!(usable(worker(), 2), "4-5".parse().unwrap());
        assert_eq!(usable(worker(), 1), "0".parse().unwrap());
        assert_eq!(usable(None, 3), "0-2".parse().unwrap());
    }

    #[test]
    fn the_description_says_what_changes_the_meaning_of_users_and_limits() {
        let described = |security: &[&str]| {
            let daemon = Daemon::new(Choices {
                runtime: None,
                cpus: None,
            });
            let info = SystemInfo {
                default_runtime: Some("runc".to_owned()),
                cgroup_version: Some(SystemInfoCgroupVersionEnum::_2),
                security_options: Some(security.iter().map(ToString::to_string).collect()),
                ..SystemInfo::default()
            };
            daemon.read(info).unwrap().description
        };
        let plain = "runtime runc, cgroup v2";
        assert_eq!(described(&["name=seccomp,profile=default"]), plain);
        assert_eq!(
            described(&["name=userns"]),
            format!("{plain}, users remapped")
        );
        assert_eq!(described(&["name=rootless"]), format!("{plain}, rootless"));
    }

    #[test]
    fn only_valid_names_are_accepted() {
        for text in ["", "a b", "/usr/bin/crun", "x=y"] {
            assert!(text.parse::<RuntimeName>().is_err(), "{text}");
        }
    }
}
