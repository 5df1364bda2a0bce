//! The whole configuration, read in one go so that all its faults are told at once.

use std::fs;
use std::io::{IsTerminal, stderr};

use anyhow::Context;
use warren_bench::Setup;
use warren_config::Env;
use warren_languages::Languages;
use warren_telemetry::{Environment, TraceConfig};

use crate::roles::Roles;

/// Everything that the environment says.
pub struct Settings {
    /// Who reads the logs.
    pub environment: Environment,
    /// Whether and how traces are sent.
    pub traces: Option<TraceConfig>,
    /// What can be run.
    pub languages: Languages,
    /// The broker; without it the queue is in-process.
    pub rabbitmq_url: Option<String>,
    /// The API's own.
    pub api: warren_api::Config,
    /// The worker's own.
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

    /// The same for a process of these roles, whose settings must also allow it to start.
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

    /// The installation that they describe, for `warren bench`.
    #[must_use]
    pub fn into_setup(self) -> Setup {
        let images = self.worker.images.into_iter();
        Setup {
            languages: self.languages,
            images: images
                .map(|(name, image)| (name, image.reference))
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

/// `WARREN_LANGUAGES` names an operator's file.
fn languages(env: &mut Env) -> Languages {
    const VARIABLE: &str = "WARREN_LANGUAGES";
    let Some(path) = env.text(VARIABLE) else {
        return Languages::embedded();
    };
    let read = || -> anyhow::Result<Languages> {
        let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
        Languages::from_toml(&text).with_context(|| format!("{path} cannot be used"))
    };
    read().unwrap_or_else(|error| {
        env.fault(VARIABLE, format!("{error:#}"));
        Languages::embedded()
    })
}
