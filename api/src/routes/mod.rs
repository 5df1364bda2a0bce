//! The endpoints.

pub(crate) mod execute;
pub(crate) mod executions;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod overloaded;
