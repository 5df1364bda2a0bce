//! Messages that reach every API or every worker: presence, job events, cancellations, claims.

pub(super) mod cancellations;
pub(super) mod claims;
pub(super) mod events;
mod fanout;
pub(super) mod presence;
