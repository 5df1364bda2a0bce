//! Warren's REST API: takes submissions, queues them, and answers with what became of them.
//!
//! A request's way: `routes::execute` reads and validates it, `dispatch` gets it run,
//! [`store`] records what came of it. [`Api`] puts this together and serves it.

mod access;
mod api;
pub mod callbacks;
pub mod config;
mod description;
mod error;
mod execution;
mod health;
pub mod history;
mod metrics;
mod router;
mod routes;
mod state;
pub mod store;
#[cfg(test)]
mod tests;

pub use access::auth::{ApiKey, AuthConfig, KeyHash, NoRandomness, Provider, Switch};
pub use access::caller::{InvalidName, KeyName};
pub use access::cors::{InvalidOrigin, Origin, Origins};
pub use access::rate::{Limit, LimitTooHigh, RateConfig, TrustedProxies};
pub use api::{Api, RECORD_GRACE};
pub use config::{Config, StoreConfig};
pub use error::{Error, Result};
pub use execution::dispatch::config::{ExecutorConfig, FallbackConfig, Judge0Config};
