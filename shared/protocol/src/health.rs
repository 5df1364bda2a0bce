//! The health report of `/api/health` and `/health`: a process and its services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The state of one service or of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthState)]
pub enum State {
    /// It works.
    Ok,
    /// It works in part, or without something it should have.
    Degraded,
    /// It does not work.
    Down,
}

/// One service's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceHealth {
    /// The service's state.
    pub status: State,
    /// The duration of its last check, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// The fault and what to do about it, or a short fact worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The body of a health answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthReport {
    /// The state of the whole.
    pub status: State,
    /// The process that answers.
    pub instance: String,
    /// Warren's version.
    pub version: String,
    /// The services behind it, by name (`rabbitmq`, `docker`, `mongodb`…).
    pub services: BTreeMap<String, ServiceHealth>,
    /// A worker's pre-started containers, by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pool: BTreeMap<String, PoolHealth>,
}

/// One language's part of a worker's pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolHealth {
    /// The number of containers that should wait.
    pub size: usize,
    /// The number of containers that wait.
    pub parked: usize,
    /// The number of containers that are starting.
    pub starting: usize,
    /// The age of the oldest waiting container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_age_ms: Option<u64>,
    /// Jobs that got a waiting container.
    pub handed_out: u64,
    /// Jobs for which a container had to be started.
    pub cold_starts: u64,
    /// Containers that died while they waited.
    pub died: u64,
    /// Containers that were replaced for their age.
    pub expired: u64,
    /// Containers that failed to start.
    pub failed_refills: u64,
    /// The reason, if the last one failed to start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}
