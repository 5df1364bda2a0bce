//! Warren's protocol: the messages on its queue, and its contract with callers.
//!
//! This crate knows no broker, no HTTP server, no container engine and no database.
//!
//! The modules form layers, and each imports from those below it alone: [`reply`] · [`contract`],
//! [`job`] · [`submission`] · [`clip`], [`compare`] · [`event`], [`outcome`], [`presence`], `refusal` ·
//! [`callback`], [`health`], [`ids`], [`limits`], `problem`, [`signal`], [`time`].

pub mod callback;
pub mod clip;
pub mod compare;
pub mod contract;
pub mod event;
pub mod health;
pub mod ids;
pub mod job;
pub mod limits;
pub mod outcome;
pub mod presence;
mod problem;
mod refusal;
pub mod reply;
pub mod signal;
pub mod submission;
pub mod time;
