//! Warren's worker: takes jobs off the queue, runs each one in a fresh hardened container, and
//! replies. The way of a job through this crate: [`consume`] takes it, [`execute`] sees it
//! through, [`pool`] has its container ready, [`engine`] makes it, [`conversation`] speaks with PID 1
//! in it, [`verdict`] makes an outcome of what PID 1 saw.

pub mod access;
pub mod config;
pub mod consume;
pub mod conversation;
mod drain;
pub mod engine;
pub mod error;
pub mod execute;
pub mod health;
pub mod http;
mod judge;
pub mod metrics;
mod pauses;
pub mod pool;
mod presence;
mod readiness;
pub mod slots;
mod stages;
mod suspects;
mod taking;
mod telling;
mod unattended;
mod upkeep;
pub mod verdict;
mod worker;

pub use config::Config;
pub use error::{Error, Result};
pub use worker::Worker;
