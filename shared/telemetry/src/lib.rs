//! Logs and traces of every Warren process.
//!
//! Logs are readable in development, JSON in production, and filtered by `RUST_LOG`.

mod traces;

pub use traces::{EXPORT_TIMEOUT, TraceConfig, Traces, join, note, traceparent_of};

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::Filter;
use tracing_subscriber::prelude::*;

/// The audience of logs and error details (`NODE_ENV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Developers: readable logs, detailed errors.
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
                "{other:?} is neither \"development\" nor \"production\"; use one of them"
            )),
        }
    }
}

/// The filter of log lines unless `RUST_LOG` sets another. The queue's supervisor logs every lost
/// connection with its cause; the library would add three lines to each.
const USUAL: &str = "info,lapin=off,hyper=warn,bollard=warn";

/// Starts logging to standard error, and tracing if `traces` is given. A second call changes nothing.
pub fn init(environment: Environment, traces: Option<&Traces>) {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let lines = fmt::layer()
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    let lines = match environment {
        Environment::Development => lines.compact().boxed(),
        Environment::Production => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .boxed(),
    };
    // The filter is on the lines alone, so that it does not affect traces.
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(shown(wanted.as_deref())))
        .with(traces.map(Traces::layer))
        .try_init();
    drop(started);
}

/// Returns the filter of log lines.
fn shown<S: Subscriber>(wanted: Option<&str>) -> impl Filter<S> + use<S> {
    let wanted = filter(wanted);
    // Without a level that nothing passes, every line that a library may write is looked at in full,
    // and those of the `log` crate are passed on for it: several for each call of the engine.
    let most = wanted.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let harmless = filter_fn(|event| is_harmless(event.target(), *event.level()));
    wanted.and(harmless.with_max_level_hint(most))
}

fn filter(wanted: Option<&str>) -> EnvFilter {
    wanted
        .filter(|wanted| !wanted.trim().is_empty())
        .and_then(|wanted| EnvFilter::try_new(wanted).ok())
        .unwrap_or_else(|| EnvFilter::new(USUAL))
}

/// Returns false for lines that may hold user data, which are never shown, whatever `RUST_LOG` says.
/// Libraries log the data they carry: lapin a returned message with its body, and both lapin and
/// bollard every frame at TRACE.
fn is_harmless(target: &str, level: Level) -> bool {
    let library = target.split("::").next().unwrap_or_default();
    target != "lapin::returned_messages"
        && (level != Level::TRACE || !["lapin", "bollard", "hyper", "mongodb"].contains(&library))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;

    #[test]
    fn data_that_libraries_carry_is_never_shown() {
        for (target, level, shown) in [
            ("lapin::returned_messages", Level::WARN, false),
            ("lapin::returned_messages", Level::TRACE, false),
            ("lapin::frames", Level::TRACE, false),
            ("lapin::channel", Level::ERROR, true),
            ("bollard::docker", Level::TRACE, false),
            ("bollard::docker", Level::DEBUG, true),
            ("warren_worker::intake", Level::TRACE, true),
            ("lapinish", Level::TRACE, true),
        ] {
            assert_eq!(is_harmless(target, level), shown, "{target} {level}");
        }
    }

    #[test]
    fn the_usual_filter_is_the_documented_default() {
        let variable = warren_config::variables::find(EnvFilter::DEFAULT_ENV).unwrap();
        assert_eq!(variable.unset, warren_config::Unset::Value(USUAL));
    }

    #[test]
    fn lines_below_the_wanted_level_are_known_to_be_unwanted_ahead() {
        let most = |wanted| {
            let shown: Box<dyn Filter<Registry>> = Box::new(shown(wanted));
            shown.max_level_hint()
        };
        assert_eq!(most(None), Some(LevelFilter::INFO));
        assert_eq!(most(Some("error")), Some(LevelFilter::ERROR));
        assert_eq!(most(Some("warn,bollard=debug")), Some(LevelFilter::DEBUG));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_ignored() {
        let usual = filter(None).to_string();
        assert_eq!(filter(Some(" ")).to_string(), usual);
        assert_eq!(filter(Some("=!=")).to_string(), usual);
        assert_eq!(filter(Some("debug")).to_string(), "debug");
    }
}
