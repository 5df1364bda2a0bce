//! The worker's health: its engine, host, languages, queue, slots and pool.

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
use crate::host::{Finding, Severity};
use crate::readiness::{EngineState, Readiness, ReadinessState};
use crate::sandbox::Pool;
use crate::slots::Slots;

/// The time for which the queue's last status is reused. Polling, however fast, costs the queue
/// one question in that time.
const FRESH: Duration = Duration::from_secs(1);

/// The parts that a health check asks.
pub(crate) struct Health {
    /// This worker.
    pub(crate) instance: InstanceId,
    /// The engine that makes its containers.
    pub(crate) engine: Arc<dyn Engine>,
    /// Its readiness to run jobs.
    pub(crate) readiness: Readiness,
    /// The queue that its jobs come from.
    pub(crate) queue: Arc<dyn WorkerQueue>,
    /// The queue's name in reports.
    pub(crate) queue_name: &'static str,
    /// Its slots.
    pub(crate) slots: Slots,
    /// Its pool.
    pub(crate) pool: Pool,
    /// The queue's last status. Locked while the queue is asked, so that concurrent health checks
    /// ask it once.
    pub(crate) last: Mutex<Option<(Instant, ServiceHealth)>>,
}

impl Health {
    /// Reports the health of every part. Each question is bounded in time. The worker is down while
    /// it can run nothing, and degraded without the queue, since jobs can still come over HTTP.
    pub(crate) async fn report(&self) -> HealthReport {
        let queue = self.queue().await;
        let free = self.slots.free();
        let slots = ServiceHealth {
            status: State::Ok,
            latency_ms: None,
            detail: Some(format!("{free} of {} free", self.slots.count())),
        };
        let pool = self.pool.report();
        let services = BTreeMap::from([
            (self.engine.name().as_str().to_owned(), self.engine()),
            ("host".to_owned(), host(self.readiness.host().as_deref())),
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

    /// Returns the reason why it should be sent no jobs, if there is one.
    pub(crate) async fn unready(&self) -> Option<String> {
        match self.readiness.now() {
            ReadinessState::Ready => {}
            state => return Some(state.to_string()),
        }
        let queue = self.queue().await;
        (queue.status != State::Ok).then(|| queue.detail.unwrap_or_default())
    }

    /// Reports the engine's health as of the last probe, which was seconds ago at most.
    fn engine(&self) -> ServiceHealth {
        let quarantined = self.engine.quarantined();
        let with = |detail: &str| match quarantined {
            0 => detail.to_owned(),
            count => format!(
                "{detail}; {count} containers could not be removed and keep their permits until they are"
            ),
        };
        match self.readiness.engine_state() {
            EngineState::Unknown => service(State::Degraded, None, with("not probed yet")),
            EngineState::Silent(reason) => service(State::Down, None, with(&reason)),
            EngineState::Answering {
                report, latency, ..
            } => {
                let status = if quarantined == 0 {
                    State::Ok
                } else {
                    State::Degraded
                };
                service(status, Some(latency), with(&report.description))
            }
        }
    }

    /// Reports the languages' health, as the canaries have shown it.
    fn languages(&self) -> ServiceHealth {
        let faults = self.readiness.faults();
        match self.readiness.now() {
            ReadinessState::Ready if faults.is_empty() => {
                service(State::Ok, None, "each runs programs".to_owned())
            }
            ReadinessState::Ready => {
                let faults = faults
                    .iter()
                    .map(|(language, reason)| format!("{language} cannot be run: {reason}"));
                let detail = faults.collect::<Vec<_>>().join("; ");
                service(State::Degraded, None, detail)
            }
            state @ ReadinessState::Suspended(_) => service(State::Down, None, state.to_string()),
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

/// Summarises the findings about the host. Programs are run on a degraded one all the same.
fn host(findings: Option<&[Finding]>) -> ServiceHealth {
    let Some(findings) = findings else {
        return service(State::Ok, None, "not examined yet".to_owned());
    };
    let degraded = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Degraded);
    let says: Vec<String> = degraded
        .map(|finding| format!("{}: {}; {}", finding.name, finding.says, finding.remedy))
        .collect();
    if says.is_empty() {
        return service(State::Ok, None, "nothing weakens the sandbox".to_owned());
    }
    let detail = format!(
        "{} (see `warren doctor`, and docs/OPERATIONS.md, The host)",
        says.join("; ")
    );
    service(State::Degraded, None, detail)
}

fn service(status: State, latency: Option<Duration>, detail: String) -> ServiceHealth {
    ServiceHealth {
        status,
        latency_ms: latency.map(fractional_millis),
        detail: Some(detail),
    }
}

/// Summarises the pool. It is degraded if jobs of some language cannot have a parked container
/// because none can be started.
fn summary(pool: &BTreeMap<String, PoolHealth>) -> ServiceHealth {
    let failing = pool.iter().find(|(_, language_pool)| {
        language_pool.parked == 0 && language_pool.size > 0 && language_pool.failure.is_some()
    });
    let (status, detail) = if let Some((language, language_pool)) = failing {
        let reason = language_pool.failure.as_deref().unwrap_or_default();
        let detail = format!("no container for {language} can be started ahead: {reason}");
        (State::Degraded, detail)
    } else if pool.values().all(|language_pool| language_pool.size == 0) {
        (State::Ok, "off (WARREN_POOL_SIZE is 0)".to_owned())
    } else {
        let parts = pool.iter().map(|(language, language_pool)| {
            format!(
                "{language}: {} of {} parked",
                language_pool.parked, language_pool.size
            )
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

    fn language_pool(size: usize, parked: usize, failure: Option<&str>) -> PoolHealth {
        PoolHealth {
            size,
            parked,
            failure: failure.map(str::to_owned),
            ..PoolHealth::default()
        }
    }

    fn summarised(python: PoolHealth) -> (State, String) {
        let other = language_pool(python.size, 1, None);
        let pool = [
            ("javascript".to_owned(), other),
            ("python".to_owned(), python),
        ];
        let health = summary(&pool.into());
        (health.status, health.detail.unwrap())
    }

    #[test]
    fn a_host_is_degraded_by_what_weakens_the_sandbox_and_by_no_advice() {
        let finding = |name, severity| Finding {
            name,
            severity,
            says: format!("{name} is wrong"),
            remedy: "mend it",
        };
        assert_eq!(host(None).status, State::Ok);
        let advice = [
            finding("swap", Severity::Advice),
            finding("smt", Severity::Ok),
        ];
        assert_eq!(host(Some(&advice)).status, State::Ok);
        let found = [
            finding("swap", Severity::Advice),
            finding("cgroup-version", Severity::Degraded),
        ];
        let health = host(Some(&found));
        let detail = health.detail.unwrap();
        assert_eq!(health.status, State::Degraded);
        assert!(detail.starts_with("cgroup-version: cgroup-version is wrong; mend it ("));
        assert!(!detail.contains("swap"), "{detail}");
    }

    #[test]
    fn a_pool_is_degraded_only_if_it_is_empty_because_refills_fail() {
        let filling = summarised(language_pool(2, 0, None));
        assert_eq!(filling.0, State::Ok);
        assert_eq!(
            filling.1,
            "javascript: 1 of 2 parked, python: 0 of 2 parked"
        );
        assert_eq!(
            summarised(language_pool(2, 1, Some("no image"))).0,
            State::Ok
        );
        let failing = summarised(language_pool(2, 0, Some("no image")));
        assert_eq!(failing.0, State::Degraded);
        assert!(failing.1.contains("python") && failing.1.ends_with("no image"));
        assert!(summarised(language_pool(0, 0, None)).1.starts_with("off"));
    }
}
