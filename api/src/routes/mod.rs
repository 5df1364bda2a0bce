//! Routes: one file per endpoint.

pub(crate) mod batch;
pub(crate) mod cancel;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod execute;
pub(crate) mod executions;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod metrics;
