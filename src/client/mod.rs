//! The commands that talk to a running server.

mod cases;
pub mod health;
pub mod history;
mod language;
mod output;
mod progress;
mod render;
pub mod result;
pub mod run;
mod server;

use std::time::Duration;

/// Creates an HTTP client that returns every status as an answer.
fn agent(within: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(within))
        .http_status_as_error(false)
        .user_agent(concat!("warren/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}
