//! How this worker is: its engine, its queue, its slots, its pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use warren_shared::health::{HealthReport, PoolHealth, ServiceHealth, State};
use warren_shared::ids::InstanceId;
use warren_shared::queue::JobQueue;
use warren_shared::time::fractional_millis;

use crate::engine::Engine;
use crate::pool::Pool;
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
    /// What it has started ahead.
    pub pool: Pool,
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
        let pool = self.pool.report();
        let services = BTreeMap::from([
            ("docker".to_owned(), engine),
            (self.queue_name.to_owned(), queue),
            ("pool".to_owned(), summary(&pool)),
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
            pool,
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

/// Degraded if jobs of some language cannot have a parked container because none can be started.
fn summary(pool: &BTreeMap<String, PoolHealth>) -> ServiceHealth {
    let failing = pool
        .iter()
        .find(|(_, shelf)| shelf.parked == 0 && shelf.size > 0 && shelf.failure.is_some());
    let (status, detail) = if let Some((language, shelf)) = failing {
        let reason = shelf.failure.as_deref().unwrap_or_default();
        let detail = format!("no container for {language} can be started ahead: {reason}");
        (State::Degraded, detail)
    } else if pool.values().all(|shelf| shelf.size == 0) {
        (State::Ok, "off (WARREN_POOL_SIZE is 0)".to_owned())
    } else {
        let parts = pool.iter().map(|(language, shelf)| {
            format!("{language}: {} of {} parked", shelf.parked, shelf.size)
        });
        (State::Ok, parts.collect::<Vec<_>>().join(", "))
    };
    ServiceHealth {
        status,
        latency_ms: None,
        detail: Some(detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(size: usize, parked: usize, failure: Option<&str>) -> PoolHealth {
        PoolHealth {
            size,
            parked,
            failure: failure.map(str::to_owned),
            ..PoolHealth::default()
        }
    }

    fn told(python: PoolHealth) -> (State, String) {
        let other = shelf(python.size, 1, None);
        let pool = [
            ("javascript".to_owned(), other),
            ("python".to_owned(), python),
        ];
        let health = summary(&pool.into());
        (health.status, health.detail.unwrap())
    }

    #[test]
    fn a_pool_is_degraded_only_if_it_is_empty_because_refills_fail() {
        let filling = told(shelf(2, 0, None));
        assert_eq!(filling.0, State::Ok);
        assert_eq!(
            filling.1,
            "javascript: 1 of 2 parked, python: 0 of 2 parked"
        );
        assert_eq!(told(shelf(2, 1, Some("no image"))).0, State::Ok);
        let failing = told(shelf(2, 0, Some("no image")));
        assert_eq!(failing.0, State::Degraded);
        assert!(failing.1.contains("python") && failing.1.ends_with("no image"));
        assert!(told(shelf(0, 0, None)).1.starts_with("off"));
    }
}
