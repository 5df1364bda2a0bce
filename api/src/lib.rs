//! Warren's REST API: takes submissions, queues them, and answers with their outcomes.
//!
//! A request's way: `access` lets it in, `routes::execute` reads it, `execution` validates it and has
//! it run, [`history`] records the outcome in the [`store`]. [`Api`] puts this together and serves it.
//!
//! The modules are layers. Each imports only from layers below its own (`tests/architecture/`), so
//! that `AppState`, which knows everything, is known to the routes alone:
//!
//! ```text
//! api
//! router  config  error
//! routes
//! state
//! description
//! health
//! execution
//! callbacks
//! history
//! access
//! store
//! metrics
//! sync
//! ```

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
mod sync;
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
