//! The measured systems: Warren and its alternatives.

mod bare;
mod child;
mod docker;
mod interpreter;
mod system;
mod warren;

pub use bare::Bare;
pub use docker::{DockerRun, engine as docker_engine};
pub use system::{Sample, System, SystemName};
pub use warren::Server;
