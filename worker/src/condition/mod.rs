//! The worker's condition: watches whether it can run jobs, and reports and announces it.

mod canary;
mod health;
mod language;
mod monitor;
mod presence;
mod probe;
mod self_test;

pub(crate) use canary::Canary;
pub(crate) use health::Health;
pub(crate) use monitor::Monitor;
pub(crate) use presence::Presence;
pub(crate) use self_test::SelfTest;
