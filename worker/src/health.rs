//! How this worker is: its engine, its queue, its slots, its pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use warren_protocol::health::{HealthReport, PoolHealth, ServiceHealth, State};
use warren_protocol::ids::InstanceId;
use warren_protocol::time::fractional_millis;
use warren_queue::WorkerQueue;

use crate::engine::Engine;
use crate::pool::Pool;
use crate::readiness::{Readiness, Seen, State as Standing};
use crate::slots::Slots;

/// How long the queue's word of itself stands: polling, however fast, costs it one question in it.
const FRESH: Duration = Duration::from_secs(1);

/// What a health check asks.
pub struct Health {
    /// This worker.
    pub instance: InstanceId,
    /// What makes its containers.
    pub engine: Arc<dyn Engine>,
    /// Whether it can run jobs.
    pub(crate) readiness: Readiness,
    /// Where its jobs come from.
    pub queue: Arc<dyn WorkerQueue>,
    /// What the queue is called.
    pub queue_name: &'static str,
    /// How many jobs it can run.
    pub slots: Slots,
    /// What it has started ahead.
    pub pool: Pool,
    /// What the queue said last. Held while it is asked, so that many askers ask once.
    pub(crate) last: Mutex<Option<(Instant, ServiceHealth)>>,
}

impl Health {
    /// How everything is; what is asked for it is bounded in time. Down while nothing can run;
    /// degraded without the queue, since jobs can still come over HTTP.
    pub async fn report(&self) -> HealthReport {
        let queue = self.queue().await;
        let free = self.slots.free();
        let slots = ServiceHealth {
            status: State::Ok,
            latency_ms: None,
            detail: Some(format!("{free} of {} free", self.slots.count())),
        };
        let pool = self.pool.report();
        let services = BTreeMap::from([
            ("docker".to_owned(), self.engine()),
            ("languages".to_owned(), self.languages()),
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

    /// Why jobs should not be expected of it, if so.
    pub(crate) async fn unready(&self) -> Option<String> {
        match self.readiness.now() {
            Standing::Ready => {}
            state => return Some(state.to_string()),
        }
        let queue = self.queue().await;
        (queue.status != State::Ok).then(|| queue.detail.unwrap_or_default())
    }

    /// As it was seen last, which is a matter of seconds.
    fn engine(&self) -> ServiceHealth {
        let quarantined = self.engine.quarantined();
        let with = |detail: &str| match quarantined {
            0 => detail.to_owned(),
            places => format!(
                "{detail}; {places} containers could not be removed and keep their places until they are"
            ),
        };
        match self.readiness.engine() {
            Seen::Nothing => service(State::Degraded, None, with("not asked yet")),
            Seen::Silence(reason) => service(State::Down, None, with(&reason)),
            Seen::Answer {
                report, latency, ..
            } => {
                let status = if quarantined == 0 {
                    State::Ok
                } else {
                    State::Degraded
                };
                service(status, Some(latency), with(&report.what))
            }
        }
    }

    /// Whether programs run, as canaries have shown.
    fn languages(&self) -> ServiceHealth {
        let faults = self.readiness.faults();
        match self.readiness.now() {
            Standing::Ready if faults.is_empty() => {
                service(State::Ok, None, "each runs programs".to_owned())
            }
            Standing::Ready => {
                let faults = faults
                    .iter()
                    .map(|(language, reason)| format!("{language} cannot be run: {reason}"));
                let detail = faults.collect::<Vec<_>>().join("; ");
                service(State::Degraded, None, detail)
            }
            state @ Standing::Suspended(_) => service(State::Down, None, state.to_string()),
            state => service(State::Degraded, None, state.to_string()),
        }
    }

    async fn queue(&self) -> ServiceHealth {
        let mut last = self.last.lock().await;
        if let Some((at, health)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return health.clone();
        }
        let health = match self.queue.status().await {
            Ok(status) => service(
                State::Ok,
                Some(status.latency),
                format!("{} waiting, {} consumers", status.waiting, status.consumers),
            ),
            Err(error) => service(State::Degraded, None, error.to_string()),
        };
        *last = Some((Instant::now(), health.clone()));
        health
    }
}

fn service(status: State, latency: Option<Duration>, detail: String) -> ServiceHealth {
    ServiceHealth {
        status,
        latency_ms: latency.map(fractional_millis),
        detail: Some(detail),
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
