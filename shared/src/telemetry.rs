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

/// What is logged unless `RUST_LOG` says otherwise. The queue's supervisor tells every loss of a
/// connection with its cause; the library would add three lines to each.
const USUAL: &str = "info,lapin=off,hyper=warn,bollard=warn";

/// Where libraries log what they carry, which is user data: never shown, whatever `RUST_LOG` says.
const SECRETIVE: [&str; 5] = [
    "lapin::returned_messages=off",
    "lapin::channels=debug",
    "lapin::channel=debug",
    "lapin::frames=debug",
    "bollard=debug",
];

/// Starts logging to standard error. Call once; a second call changes nothing.
pub fn init(environment: Environment) {
    let base = fmt()
        .with_env_filter(filter(
            std::env::var(EnvFilter::DEFAULT_ENV).ok().as_deref(),
        ))
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

fn filter(wanted: Option<&str>) -> EnvFilter {
    let filter = wanted
        .filter(|wanted| !wanted.trim().is_empty())
        .and_then(|wanted| EnvFilter::try_new(wanted).ok())
        .unwrap_or_else(|| EnvFilter::new(USUAL));
    let secretive = SECRETIVE
        .iter()
        .filter_map(|directive| directive.parse().ok());
    // A directive for a target takes the place of one that is there for the same target.
    secretive.fold(filter, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_makes_libraries_log_what_they_carry() {
        for wanted in [
            None,
            Some("trace"),
            Some("lapin=trace,bollard=trace"),
            Some("lapin::frames=trace"),
            Some("=!"),
            Some(""),
        ] {
            let told = filter(wanted).to_string();
            let directives: Vec<&str> = told.split(',').collect();
            for secretive in SECRETIVE {
                assert!(
                    directives.contains(&secretive),
                    "{secretive} in {told} for {wanted:?}"
                );
            }
            assert!(!directives.contains(&"lapin::frames=trace"), "{told}");
        }
    }
}
