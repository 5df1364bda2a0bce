//! Health of the API and its services, checked at most once a second.

mod metrics;
mod workers;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use warren_protocol::health::{HealthReport, ServiceHealth, State};
use warren_protocol::ids::InstanceId;
use warren_protocol::time::fractional_millis;
use warren_queue::{ApiQueue, MAX_QUEUED_JOBS, QueueStatus, STATUS_TIMEOUT};

use crate::execution::dispatch::Dispatch;
use crate::history::Recorder;
use crate::store::Store;
use crate::sync::Lock;

/// How long a check's result is reused. However fast callers poll, each service is checked at most
/// once in this time.
const FRESH: Duration = Duration::from_secs(1);
/// How long one service may take to answer.
const CHECK_TIMEOUT: Duration = STATUS_TIMEOUT;

/// The checks, and the last report.
pub(crate) struct Health {
    instance: InstanceId,
    queue_name: &'static str,
    queue: Arc<dyn ApiQueue>,
    store: Arc<dyn Store>,
    recorder: Arc<Recorder>,
    dispatch: Arc<Dispatch>,
    // Held during a check, so that concurrent requests share it.
    last: Mutex<Option<(Instant, HealthReport)>>,
    /// The queue's last status; `None` while it does not answer.
    queue_status: Lock<Option<QueueStatus>>,
    /// The state of each service when it was checked last.
    states: Lock<BTreeMap<String, State>>,
}

impl Health {
    /// Checks these services. `queue_name` is the queue's name in reports.
    pub(crate) fn new(
        instance: InstanceId,
        (queue_name, queue): (&'static str, Arc<dyn ApiQueue>),
        store: Arc<dyn Store>,
        recorder: Arc<Recorder>,
        dispatch: Arc<Dispatch>,
    ) -> Self {
        Self {
            instance,
            queue_name,
            queue,
            store,
            recorder,
            dispatch,
            last: Mutex::default(),
            queue_status: Lock::default(),
            states: Lock::default(),
        }
    }

    /// Returns the health of everything: `down` if no job can be queued, nor run in another way;
    /// `degraded` if jobs are not taken or not recorded, which restarting this process or taking it
    /// out of service would not fix.
    pub(crate) async fn report(&self) -> HealthReport {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let ((queue, workers), store, fallbacks) = tokio::join!(
            self.check_queue(),
            self.check_store(),
            self.check_fallbacks()
        );
        let status = if queue.status == State::Down && !any_works(fallbacks.values()) {
            State::Down
        } else if [&queue, &workers, &store]
            .into_iter()
            .chain(fallbacks.values())
            .any(|service| service.status != State::Ok)
        {
            State::Degraded
        } else {
            State::Ok
        };
        let report = HealthReport {
            status,
            instance: self.instance.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            services: [
                (self.queue_name.to_owned(), queue),
                ("workers".to_owned(), workers),
                (self.store.name().to_owned(), store),
            ]
            .into_iter()
            .chain(fallbacks)
            .collect(),
            pool: BTreeMap::new(),
        };
        *self.states.lock() = report
            .services
            .iter()
            .map(|(name, service)| (name.clone(), service.status))
            .collect();
        *last = Some((Instant::now(), report.clone()));
        report
    }

    /// Returns whether jobs run even if the queue takes none, by the last report.
    fn has_fallback(&self, report: &HealthReport) -> bool {
        let names = self.dispatch.fallbacks().map(|way| way.name().as_str());
        any_works(names.filter_map(|name| report.services.get(name)))
    }

    async fn check_fallbacks(&self) -> BTreeMap<String, ServiceHealth> {
        let checks = self.dispatch.fallbacks().map(async |fallback| {
            let name = fallback.name().as_str().to_owned();
            (name, fallback.health(CHECK_TIMEOUT).await)
        });
        join_all(checks).await.into_iter().collect()
    }

    /// Returns why jobs sent here would not run, if they would not.
    pub(crate) async fn unready(&self) -> Option<String> {
        let report = self.report().await;
        if self.has_fallback(&report) {
            return None;
        }
        let needed = [self.queue_name, "workers"];
        needed.into_iter().find_map(|name| {
            let service = report.services.get(name)?;
            let detail = service.detail.as_deref().unwrap_or_default();
            (service.status == State::Down).then(|| format!("{name}: {detail}"))
        })
    }

    async fn check_queue(&self) -> (ServiceHealth, ServiceHealth) {
        let (latency, status) = timed(self.queue.status()).await;
        *self.queue_status.lock() = status
            .as_ref()
            .and_then(|status| status.as_ref().ok().copied());
        match status {
            Some(Ok(status)) if status.waiting >= MAX_QUEUED_JOBS => (
                service(
                    State::Degraded,
                    latency,
                    "full: new jobs are refused until some are done",
                ),
                workers::health(&self.queue.workers(), status.consumers),
            ),
            Some(Ok(status)) => (
                service(
                    State::Ok,
                    latency,
                    format!("{} jobs waiting", status.waiting),
                ),
                workers::health(&self.queue.workers(), status.consumers),
            ),
            failed => {
                let reason = match failed {
                    Some(Err(error)) => error.to_string(),
                    _ => "no answer in time".to_owned(),
                };
                let unknown = ServiceHealth {
                    status: State::Down,
                    latency_ms: None,
                    detail: Some("unknown while the queue is down".to_owned()),
                };
                (service(State::Down, latency, reason), unknown)
            }
        }
    }

    async fn check_store(&self) -> ServiceHealth {
        let (latency, ping) = timed(self.store.ping()).await;
        let backlog = self.recorder.backlog();
        let held = format!(
            "{} executions wait to be recorded, {} were lost",
            backlog.waiting, backlog.lost
        );
        match ping {
            Some(Ok(())) if backlog.failing => service(
                State::Degraded,
                latency,
                format!("answers, but records nothing; {held}"),
            ),
            Some(Ok(())) if backlog.losing => service(State::Degraded, latency, held),
            Some(Ok(())) if backlog.lost > 0 => service(State::Ok, latency, held),
            Some(Ok(())) => ServiceHealth {
                detail: None,
                ..service(State::Ok, latency, "")
            },
            Some(Err(error)) => service(State::Down, latency, format!("{error}; {held}")),
            None => service(State::Down, latency, format!("no answer in time; {held}")),
        }
    }
}

fn any_works<'a>(mut services: impl Iterator<Item = &'a ServiceHealth>) -> bool {
    services.any(|service| service.status != State::Down)
}

fn service(status: State, latency: Duration, detail: impl Into<String>) -> ServiceHealth {
    ServiceHealth {
        status,
        latency_ms: Some(fractional_millis(latency)),
        detail: Some(detail.into()),
    }
}

/// Returns how long `check` took and its result; `None` if it took too long.
async fn timed<T>(check: impl Future<Output = T>) -> (Duration, Option<T>) {
    let start = Instant::now();
    let result = timeout(CHECK_TIMEOUT, check).await.ok();
    (start.elapsed(), result)
}
