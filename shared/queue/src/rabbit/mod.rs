//! The queue on RabbitMQ.
//!
//! Each side has one connection to publish and one to consume; an API that records unclaimed
//! replies or posts callbacks has one more for each. A supervisor keeps each of them alive as a
//! whole. A small pool of connections serves durable messages. A module imports only from those
//! before it: `wire`, `link`, `publish`, `broadcast`, and last the two sides, which do not know
//! each other.

mod api;
mod broadcast;
mod link;
mod publish;
mod wire;
mod worker;

pub use api::RabbitApi;
pub use link::config::{Patience, RabbitConfig};
pub use wire::{definitions, lanes, topology};
pub use worker::RabbitWorker;
