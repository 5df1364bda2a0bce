//! Warren's REST API: takes submissions, queues them, and answers with what became of them.
//!
//! A request's way: `routes::execute` reads and validates it, `dispatch` gets it run,
//! [`store`] records what came of it. [`Api`] puts this together and serves it.

mod admission;
mod api;
mod caller;
pub mod config;
mod dispatch;
mod error;
mod health;
mod idempotency;
mod intake;
mod origin;
mod router;
mod routes;
mod state;
pub mod store;
#[cfg(test)]
mod tests;
mod trace_context;

pub use api::{Api, RECORD_GRACE};
pub use config::{Config, StoreConfig};
pub use error::{Error, Result};
pub use origin::{InvalidOrigin, Origin, Origins};
