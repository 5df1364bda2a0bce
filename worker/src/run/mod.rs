//! Sees one job through, from its container to its outcome.

mod execute;
mod judge;
mod last_resort;
mod stages;

pub(crate) use execute::Executor;
