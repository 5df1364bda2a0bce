//! How this worker is: its engine, its queue, its slots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use warren_shared::health::{HealthReport, ServiceHealth, State};
use warren_shared::ids::InstanceId;
use warren_shared::queue::JobQueue;
use warren_shared::time::fractional_millis;

use crate::engine::Engine;
use crate::slots::Slots;

/// What a health check asks.
pub struct Health {
    /// This worker.
    pub instance: InstanceId,
    /// What makes its containers.
    pub engine: Arc<dyn Engine>,
    /// Where its jobs come from.
    pub queue: Arc<dyn JobQueue>,
    /// What the queue is called.
    pub queue_name: &'static str,
    /// How many jobs it can run.
    pub slots: Slots,
}

impl Health {
    /// Asks everything, at once. Down without the engine, since nothing can run; degraded without
    /// the queue, since jobs can still come over HTTP.
    pub async fn report(&self) -> HealthReport {
        let (engine, queue) = tokio::join!(self.engine(), self.queue());
        let free = self.slots.free();
        let slots = ServiceHealth {
            status: State::Ok,
            latency_ms: None,
            detail: Some(format!("{free} of {} free", self.slots.count())),
        };
        let services = BTreeMap::from([
            ("docker".to_owned(), engine),
            (self.queue_name.to_owned(), queue),
            ("slots".to_owned(), slots),
        ]);
        HealthReport {
            status: services
                .values()
                .map(|service| service.status)
                .max()
                .unwrap_or(State::Ok),
            instance: self.instance.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            services,
        }
    }

    async fn engine(&self) -> ServiceHealth {
        let asked = Instant::now();
        match self.engine.check().await {
            Ok(detail) => ServiceHealth {
                status: State::Ok,
                latency_ms: Some(fractional_millis(asked.elapsed())),
                detail: Some(detail),
            },
            Err(error) => ServiceHealth {
                status: State::Down,
                latency_ms: None,
                detail: Some(error.to_string()),
            },
        }
    }

    async fn queue(&self) -> ServiceHealth {
        match self.queue.status().await {
            Ok(status) => ServiceHealth {
                status: State::Ok,
                latency_ms: Some(fractional_millis(status.latency)),
                detail: Some(format!(
                    "{} waiting, {} consumers",
                    status.waiting, status.consumers
                )),
            },
            Err(error) => ServiceHealth {
                status: State::Degraded,
                latency_ms: None,
                detail: Some(error.to_string()),
            },
        }
    }
}
