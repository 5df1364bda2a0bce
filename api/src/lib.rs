//! Warren's REST API: takes submissions, queues them, and answers with what became of them.
//!
//! A request's way: `routes::execute` reads and validates it, `dispatch` gets it run,
//! [`store`] records what came of it. [`Api`] puts this together and serves it.

mod admission;
mod api;
mod attended;
mod auth;
pub mod callbacks;
mod caller;
pub mod config;
mod description;
mod dispatch;
mod error;
mod follow;
mod guard;
mod health;
mod idempotency;
mod intake;
mod metrics;
mod origin;
mod preference;
mod rate;
mod router;
mod routes;
mod state;
pub mod store;
#[cfg(test)]
mod tests;
mod trace_context;
mod unattended;
mod watch;

pub use api::{Api, RECORD_GRACE};
pub use auth::{ApiKey, AuthConfig, KeyHash, NoRandomness, Provider, Switch};
pub use caller::{InvalidName, KeyName};
pub use config::{Config, StoreConfig};
pub use dispatch::settings::{ExecutorConfig, FallbackConfig, Judge0Config};
pub use error::{Error, Result};
pub use origin::{InvalidOrigin, Origin, Origins};
pub use rate::{Limit, LimitTooHigh, RateConfig, TrustedProxies};
