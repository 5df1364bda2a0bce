//! The daemon's runtime that makes the containers: its default, or a chosen one.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::client::Client;
use crate::{Error, Result};

/// The variable that chooses it, for messages.
pub const VARIABLE: &str = "WARREN_DOCKER_RUNTIME";

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

/// The chosen runtime, and the daemon's name for it.
pub(super) struct Runtime {
    chosen: Option<RuntimeName>,
    /// The name of the runtime in use, once the daemon was asked.
    found: OnceCell<String>,
}

impl Runtime {
    pub(super) fn new(chosen: Option<RuntimeName>) -> Self {
        Self {
            chosen,
            found: OnceCell::new(),
        }
    }

    /// Returns the runtime to name in each container's configuration.
    pub(super) fn chosen(&self) -> Option<&RuntimeName> {
        self.chosen.as_ref()
    }

    /// Returns the runtime's name. Asks the daemon until it has answered once.
    pub(super) async fn found(&self, client: &Client) -> Result<&str> {
        let name = self.found.get_or_try_init(|| async {
            let info = client
                .call("describe itself", INFO, client.docker()?.info())
                .await?;
            let known = info.runtimes.unwrap_or_default().into_keys().collect();
            let default = info.default_runtime.unwrap_or_default();
            choose(self.chosen(), &known, default)
        });
        name.await.map(String::as_str)
    }
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
            variable: VARIABLE,
        }),
    }
}

#[cfg(test)]
mod tests {
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
        for part in ["runsc", "crun, runc", VARIABLE, "daemon.json"] {
            assert!(says.contains(part), "{part} in {says}");
        }
    }

    #[test]
    fn only_valid_names_are_accepted() {
        for text in ["", "a b", "/usr/bin/crun", "x=y"] {
            assert!(text.parse::<RuntimeName>().is_err(), "{text}");
        }
    }
}
