//! The commands that talk to a running server.

pub mod health;
mod language;
mod render;
pub mod run;

use std::time::Duration;

/// How long to wait for a server's answer: its own 5 seconds, and the way.
const ANSWER: Duration = Duration::from_secs(8);

/// An HTTP client that takes every status as an answer.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(ANSWER))
        .http_status_as_error(false)
        .user_agent(concat!("warren/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}
