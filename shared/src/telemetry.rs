//! Logs: readable in development, JSON in production, filtered by `RUST_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Who reads the logs and the error details (`NODE_ENV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer: readable logs, detailed errors.
    Development,
    /// Machines: JSON logs, errors without internals.
    Production,
}

impl std::str::FromStr for Environment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "development" | "test" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            other => Err(format!(
                "{other:?} is neither \"development\" nor \"production\""
            )),
        }
    }
}

/// Starts logging to standard error. Call once; a second call changes nothing.
pub fn init(environment: Environment) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_unset| EnvFilter::new("info,lapin=warn,hyper=warn,bollard=warn"));
    let base = fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match environment {
        Environment::Development => base.compact().try_init(),
        Environment::Production => base
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .try_init(),
    };
    drop(started);
}
