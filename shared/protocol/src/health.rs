//! How a process and the services behind it are, as `/api/health` and `/health` tell it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of one service or of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthState)]
pub enum State {
    /// Works.
    Ok,
    /// Works in part, or works without something it should have.
    Degraded,
    /// Does not work.
    Down,
}

/// One service's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceHealth {
    /// How it is.
    pub status: State,
    /// How long its last check took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// What is wrong and what to do, or a short fact worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The body of a health answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    /// The whole.
    pub status: State,
    /// Which process answers.
    pub instance: String,
    /// Warren's version.
    pub version: String,
    /// The services behind it, by name (`rabbitmq`, `docker`, `mongodb`…).
    pub services: BTreeMap<String, ServiceHealth>,
    /// What a worker has started ahead, by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pool: BTreeMap<String, PoolHealth>,
}

/// One language's part of a worker's pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolHealth {
    /// How many containers should wait.
    pub size: usize,
    /// How many do.
    pub parked: usize,
    /// How many are being started.
    pub starting: usize,
    /// How long the oldest has waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_age_ms: Option<u64>,
    /// Jobs that got one of them.
    pub handed_out: u64,
    /// Jobs that a container had to be started for.
    pub cold_starts: u64,
    /// Containers that died while they waited.
    pub died: u64,
    /// Containers that were replaced for their age.
    pub expired: u64,
    /// How often a container could not be started.
    pub failed_refills: u64,
    /// Why not, if the last one could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}
