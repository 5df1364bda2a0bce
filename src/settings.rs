//! The whole configuration, read in one go so that it reports all faults together.

use std::fs;
use std::io::{IsTerminal, stderr};

use anyhow::Context;
use warren_bench::Setup;
use warren_config::Env;
use warren_languages::Languages;
use warren_telemetry::{Environment, TraceConfig};

use crate::roles::Roles;

/// The configuration of a process.
pub struct Settings {
    /// The readers of the logs: developers or machines.
    pub environment: Environment,
    /// The export of traces, if there is one.
    pub traces: Option<TraceConfig>,
    /// The languages that can be run.
    pub languages: Languages,
    /// The broker's address; without one the queue is in-process.
    pub rabbitmq_url: Option<String>,
    /// The API's configuration.
    pub api: warren_api::Config,
    /// The worker's configuration.
    pub worker: warren_worker::Config,
}

impl Settings {
    /// Reads the environment, and the language file if one is named.
    ///
    /// # Errors
    /// Every variable that cannot be used.
    pub fn of_process() -> anyhow::Result<Self> {
        let mut env = Env::of_process();
        let settings = Self::read(&mut env);
        env.finish()?;
        Ok(settings)
    }

    /// Reads the same for a process of these roles, and checks that they may start with it.
    ///
    /// # Errors
    /// Every variable that cannot be used.
    pub fn of(roles: Roles) -> anyhow::Result<Self> {
        let mut env = Env::of_process();
        let settings = Self::read(&mut env);
        if roles.api() {
            settings.api.check(&mut env);
        }
        if roles.worker() {
            settings.worker.check(&mut env);
        }
        env.finish()?;
        Ok(settings)
    }

    /// Converts the settings into the installation that `warren bench` measures.
    #[must_use]
    pub fn into_setup(self) -> Setup {
        let images = self.worker.images.into_iter();
        Setup {
            languages: self.languages,
            images: images
                .map(|(name, image)| (name, image.reference.to_string()))
                .collect(),
            rabbitmq_url: self.rabbitmq_url,
        }
    }

    fn read(env: &mut Env) -> Self {
        let environment = env.parse("NODE_ENV").unwrap_or(if stderr().is_terminal() {
            Environment::Development
        } else {
            Environment::Production
        });
        let languages = languages(env);
        Self {
            environment,
            traces: TraceConfig::from_env(env),
            rabbitmq_url: env.text("RABBITMQ_URL"),
            api: warren_api::Config::from_env(env),
            worker: warren_worker::Config::from_env(env, &languages),
            languages,
        }
    }
}

/// Returns the built-in languages, or those of the operator's file (`WARREN_LANGUAGES`).
fn languages(env: &mut Env) -> Languages {
    const VARIABLE: &str = "WARREN_LANGUAGES";
    let Some(path) = env.text(VARIABLE) else {
        return Languages::embedded();
    };
    let read = || -> anyhow::Result<Languages> {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        Languages::from_toml(&text).with_context(|| format!("cannot use {path}"))
    };
    read().unwrap_or_else(|error| {
        env.fault(VARIABLE, format!("{error:#}"));
        Languages::embedded()
    })
}

#[cfg(test)]
mod tests {
    use warren_config::{Reader, Unset, variables};

    use super::*;

    /// Returns everything that the programs read from an environment, as far as it can be printed.
    fn read(variables: impl IntoIterator<Item = (String, String)>) -> String {
        let mut env: Env = variables.into_iter().collect();
        let settings = Settings::read(&mut env);
        assert_eq!(env.finish(), Ok(()));
        let Settings {
            environment,
            traces,
            languages,
            rabbitmq_url,
            api,
            worker,
        } = settings;
        format!("{environment:?} {traces:?} {languages:?} {rabbitmq_url:?} {api:#?} {worker:#?}")
    }

    #[test]
    fn listed_defaults_are_those_of_the_code() {
        let unset = read([]);
        let mut checked = 0;
        for variable in variables::all() {
            let Unset::Value(default) = variable.unset else {
                continue;
            };
            if !variable.is_read_by(Reader::Both) {
                continue;
            }
            let set = read([(variable.name.to_owned(), default.to_owned())]);
            assert_eq!(set, unset, "{}={default}", variable.name);
            checked += 1;
        }
        assert!(checked > 15, "{checked} defaults were compared");
        let other = read([("WARREN_WAIT_MS".to_owned(), "2500".to_owned())]);
        assert_ne!(other, unset, "a setting shows in what is compared");
    }

    /// Returns the variables that a manifest of deploy/kubernetes sets itself (`- { name: NAME,
    /// value: "VALUE" }`).
    fn set_by(manifest: &str) -> Vec<(String, String)> {
        let lines = manifest.lines().filter_map(|line| {
            let entry = line.trim().strip_prefix("- { name: ")?;
            let (name, value) = entry.strip_suffix(" }")?.split_once(", value: ")?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        });
        let listed = lines.filter(|(name, _)| variables::find(name).is_some());
        listed.collect()
    }

    #[test]
    fn a_worker_may_start_as_kubernetes_starts_it() {
        let manifest = include_str!("../deploy/kubernetes/worker.yaml");
        let mut variables = set_by(manifest);
        assert!(
            variables
                .iter()
                .any(|(name, _)| name == "WARREN_WORKER_ADDR")
        );
        // The secret that its head asks for.
        let secret = "0123456789abcdef".to_owned();
        variables.push(("WARREN_WORKER_SECRET".to_owned(), secret));
        let faults = |variables: Vec<(String, String)>| {
            let mut env: Env = variables.into_iter().collect();
            Settings::read(&mut env).worker.check(&mut env);
            env.finish().err().map(|faults| faults.to_string())
        };
        assert_eq!(faults(variables.clone()), None);
        variables.pop();
        let without = faults(variables).expect("without the secret it may not");
        assert!(without.contains("WARREN_WORKER_SECRET"), "{without}");
    }
}
