//! The queue on RabbitMQ.
//!
//! Each side has one connection to publish and one to consume (an API that records unclaimed replies
//! has one more for these), each kept alive as a whole by a supervisor.

mod api;
mod callbacks;
mod cancelling;
mod config;
mod connected;
pub mod definitions;
mod events;
mod fuse;
mod jobs;
mod life;
mod losses;
mod message;
mod news;
mod presence;
mod publisher;
mod replier;
mod replies;
mod results;
mod streams;
mod submit;
mod supervisor;
mod tagged;
mod tags;
pub mod topology;
mod tries;
mod turns;
mod worker;

pub use api::RabbitApi;
pub use config::RabbitConfig;
pub use worker::RabbitWorker;
