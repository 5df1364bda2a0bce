//! The agreement with the broker: topology, messages, headers and settlement.

pub mod definitions;
pub(super) mod held;
pub mod lanes;
pub(super) mod message;
pub(super) mod own_queues;
pub(super) mod settlement;
pub mod topology;
pub(super) mod tries;
