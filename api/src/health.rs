//! How the API and the services behind it are, checked at most once a second.

mod workers;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use warren_shared::health::{HealthReport, ServiceHealth, State};
use warren_shared::ids::InstanceId;
use warren_shared::queue::{JobQueue, MAX_QUEUED_JOBS, STATUS_TIMEOUT};
use warren_shared::time::fractional_millis;

use crate::store::{Recorder, Store};

/// How long a check's result stands: polling, however fast, costs the services one check in it.
const FRESH: Duration = Duration::from_secs(1);
/// How long one service may take to answer.
const CHECK_TIMEOUT: Duration = STATUS_TIMEOUT;

/// The checks, and the last report.
pub(crate) struct Health {
    pub(crate) instance: InstanceId,
    pub(crate) queue_name: &'static str,
    pub(crate) queue: Arc<dyn JobQueue>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recorder: Arc<Recorder>,
    // Held while checking, so that many askers at once make one check.
    pub(crate) last: Mutex<Option<(Instant, HealthReport)>>,
}

impl Health {
    /// How everything is: `down` if no job can be queued; `degraded` if jobs are not taken or not
    /// recorded, which this process cannot mend by being restarted or taken out of service.
    pub(crate) async fn report(&self) -> HealthReport {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return report.clone();
        }
        let ((queue, workers), store) = tokio::join!(self.check_queue(), self.check_store());
        let status = if queue.status == State::Down {
            State::Down
        } else if [&queue, &workers, &store]
            .iter()
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
            services: BTreeMap::from([
                (self.queue_name.to_owned(), queue),
                ("workers".to_owned(), workers),
                (self.store.name().to_owned(), store),
            ]),
            pool: BTreeMap::new(),
        };
        *last = Some((Instant::now(), report.clone()));
        report
    }

    async fn check_queue(&self) -> (ServiceHealth, ServiceHealth) {
        let (latency, status) = timed(self.queue.status()).await;
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

fn service(status: State, latency: Duration, detail: impl Into<String>) -> ServiceHealth {
    ServiceHealth {
        status,
        latency_ms: Some(fractional_millis(latency)),
        detail: Some(detail.into()),
    }
}

/// How long it took and what came of it; `None` if it took too long.
async fn timed<T>(check: impl Future<Output = T>) -> (Duration, Option<T>) {
    let start = Instant::now();
    let result = timeout(CHECK_TIMEOUT, check).await.ok();
    (start.elapsed(), result)
}
