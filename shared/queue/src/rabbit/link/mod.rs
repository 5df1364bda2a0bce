//! Supervised connections to the broker: opened, probed, rebuilt as one unit, and closed.

pub(super) mod config;
pub(super) mod connection;
mod fuse;
pub(super) mod life;
pub(super) mod subscription;
pub(super) mod supervisor;
