//! Sees one job through, from its containers to its outcome.

mod crew;
mod execute;
mod judge;
mod last_resort;
mod plan;
mod sandboxed;
mod schedule;
mod stages;
#[cfg(test)]
mod tests;

pub(crate) use execute::Executor;
