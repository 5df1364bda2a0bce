//! Messages that reach every API or every worker: presence, job events and cancellations.

pub(super) mod cancellations;
pub(super) mod events;
mod fanout;
pub(super) mod presence;
