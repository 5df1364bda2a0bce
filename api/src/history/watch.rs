//! Job events in memory: their watchers, and which jobs run or were cancelled.
//!
//! All of it is bounded, and none of it is authoritative: the record in the store is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use warren_protocol::event::{Happened, JobEvent};
use warren_protocol::ids::JobId;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, MAX_QUEUED_JOBS};

use crate::sync::Lock;

/// The most requests that wait for jobs at a time. Each is one of the server's 2,048 connections.
pub(crate) const MAX_WATCHERS: usize = 512;
/// How long a job counts as running after its event. No job runs for longer. A job that went back
/// to the queue is forgotten this way.
const RUNS_FOR: Duration = Duration::from_secs(10);
/// The most jobs that are remembered as running.
const MAX_RUNNING: usize = 4_096;
/// The most jobs that are remembered as cancelled.
const MAX_WITHDRAWN: usize = MAX_QUEUED_JOBS as usize;

/// The events of jobs that this API has received.
pub(crate) struct Watch {
    permits: Arc<Semaphore>,
    register: Lock<Register>,
}

#[derive(Default)]
struct Register {
    watched: HashMap<JobId, Watched>,
    running: HashMap<JobId, Instant>,
    // The oldest first. A job that has finished stays until `RUNS_FOR` is over.
    order: VecDeque<(Instant, JobId)>,
    withdrawn: HashMap<JobId, Deadline>,
}

struct Watched {
    news: watch::Sender<()>,
    watchers: usize,
}

/// A watcher of one job. It holds a permit to wait.
pub(crate) struct Watcher {
    watch: Arc<Watch>,
    job: JobId,
    news: watch::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(MAX_WATCHERS)),
            register: Lock::default(),
        }
    }
}

impl Watch {
    /// Watches this job from now on; `None` if too many requests wait already.
    pub(crate) fn job(self: &Arc<Self>, job: JobId) -> Option<Watcher> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let mut register = self.lock();
        let watched = register.watched.entry(job).or_insert_with(|| Watched {
            news: watch::Sender::new(()),
            watchers: 0,
        });
        watched.watchers += 1;
        let news = watched.news.subscribe();
        drop(register);
        Some(Watcher {
            watch: Arc::clone(self),
            job,
            news,
            _permit: permit,
        })
    }

    /// Returns whether a worker has begun the job lately and its end is not known.
    pub(crate) fn runs(&self, job: JobId) -> bool {
        self.runs_at(job, Instant::now())
    }

    fn runs_at(&self, job: JobId, now: Instant) -> bool {
        let since = self.lock().running.get(&job).copied();
        since.is_some_and(|since| now.saturating_duration_since(since) < RUNS_FOR)
    }

    /// Remembers that the job was cancelled, and must not run until it has expired.
    pub(crate) fn withdrawn(&self, job: JobId, deadline: Deadline) {
        let mut register = self.lock();
        if register.withdrawn.len() >= MAX_WITHDRAWN {
            register.withdrawn.retain(|_, until| !until.has_passed());
        }
        if register.withdrawn.len() < MAX_WITHDRAWN {
            register.withdrawn.insert(job, deadline);
        }
    }

    /// Reads all job events from the queue, until `stop`, and reports each end to `ended`. If a worker begins a cancelled job, it
    /// was not there when the cancellation was published, so the cancellation is published again.
    pub(crate) async fn listen(
        self: Arc<Self>,
        mut events: broadcast::Receiver<JobEvent>,
        queue: Arc<dyn ApiQueue>,
        ended: impl Fn(JobId) + Send,
        stop: CancellationToken,
    ) {
        loop {
            let heard = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                heard = events.recv() => heard,
            };
            match heard {
                Ok(event) => {
                    if event.happened == Happened::Finished {
                        ended(event.job_id);
                    }
                    if let Some(deadline) = self.hear(&event, Instant::now()) {
                        queue.withdraw(event.job_id, deadline).await;
                    }
                }
                // Watchers look again soon, whatever was missed.
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "job events arrived faster than they were read");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Passes an event on. Returns the job's deadline if the job was cancelled and begins all the
    /// same.
    fn hear(&self, event: &JobEvent, now: Instant) -> Option<Deadline> {
        let mut register = self.lock();
        let unwanted = match &event.happened {
            Happened::Running { .. } => {
                register.begun(event.job_id, now);
                register.withdrawn.get(&event.job_id).copied()
            }
            Happened::Finished => {
                register.running.remove(&event.job_id);
                None
            }
        };
        if let Some(watched) = register.watched.get(&event.job_id) {
            watched.news.send_replace(());
        }
        unwanted
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.register.lock()
    }
}

/// Publishes each recorded end of a job without a waiting caller to every API, until `stop`.
pub(crate) async fn publish_ends(
    mut written: broadcast::Receiver<JobId>,
    queue: Arc<dyn ApiQueue>,
    stop: CancellationToken,
) {
    loop {
        let job = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            written = written.recv() => match written {
                Ok(job) => job,
                Err(RecvError::Lagged(_missed)) => continue,
                Err(RecvError::Closed) => return,
            },
        };
        queue
            .publish_event(&JobEvent::now(job, Happened::Finished))
            .await;
    }
}

impl Register {
    fn begun(&mut self, job: JobId, now: Instant) {
        while let Some((since, oldest)) = self.order.front().copied()
            && (now.saturating_duration_since(since) >= RUNS_FOR || self.order.len() >= MAX_RUNNING)
        {
            self.order.pop_front();
            // Unless it has begun again since.
            if self.running.get(&oldest) == Some(&since) {
                self.running.remove(&oldest);
            }
        }
        self.running.insert(job, now);
        self.order.push_back((now, job));
    }
}

impl Watcher {
    /// Waits for an event of the job since the last call.
    pub(crate) async fn news(&mut self) {
        if self.news.changed().await.is_err() {
            // The sender lives as long as this does.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut register = self.watch.lock();
        if let Some(watched) = register.watched.get_mut(&self.job) {
            watched.watchers -= 1;
            if watched.watchers == 0 {
                register.watched.remove(&self.job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use warren_protocol::ids::InstanceId;

    use super::*;

    fn running(job: JobId) -> JobEvent {
        let worker = InstanceId::new("worker");
        JobEvent::now(job, Happened::Running { worker })
    }

    fn finished(job: JobId) -> JobEvent {
        JobEvent::now(job, Happened::Finished)
    }

    #[test]
    fn news_reach_who_watches_and_nobody_else_and_leave_no_trace() {
        let (watch, now) = (Arc::<Watch>::default(), Instant::now());
        let (job, other) = (JobId::new(), JobId::new());
        let mut one = watch.job(job).unwrap();
        let mut two = watch.job(job).unwrap();
        let mut bystander = watch.job(other).unwrap();
        assert!(one.news().now_or_never().is_none());
        // An event that arrives before anybody waits is not missed.
        watch.hear(&running(job), now);
        for watcher in [&mut one, &mut two] {
            assert!(watcher.news().now_or_never().is_some());
            assert!(watcher.news().now_or_never().is_none());
        }
        assert!(bystander.news().now_or_never().is_none());
        drop(one);
        watch.hear(&finished(job), now);
        assert!(two.news().now_or_never().is_some());
        drop((two, bystander));
        assert!(watch.lock().watched.is_empty());
    }

    #[test]
    fn a_job_runs_from_its_beginning_to_its_end_or_until_that_is_too_long_ago() {
        let (watch, job, now) = (Watch::default(), JobId::new(), Instant::now());
        assert!(!watch.runs_at(job, now));
        watch.hear(&running(job), now);
        assert!(watch.runs_at(job, now));
        watch.hear(&finished(job), now);
        assert!(!watch.runs_at(job, now));
        watch.hear(&running(job), now);
        assert!(watch.runs_at(job, now + RUNS_FOR / 2));
        assert!(!watch.runs_at(job, now + RUNS_FOR));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (watch, now) = (Arc::<Watch>::default(), Instant::now());
        for _ in 0..2 * MAX_RUNNING {
            watch.hear(&running(JobId::new()), now);
        }
        let sizes = |watch: &Watch| {
            let register = watch.lock();
            (register.running.len(), register.order.len())
        };
        assert_eq!(sizes(&watch), (MAX_RUNNING, MAX_RUNNING));
        watch.hear(&running(JobId::new()), now + RUNS_FOR);
        assert_eq!(sizes(&watch), (1, 1));

        let soon = Deadline::after(Duration::from_secs(60));
        for _ in 0..MAX_WITHDRAWN + 5 {
            watch.withdrawn(JobId::new(), soon);
        }
        assert_eq!(watch.lock().withdrawn.len(), MAX_WITHDRAWN);

        let permits: Vec<_> = (0..MAX_WATCHERS).map(|_| watch.job(JobId::new())).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(watch.job(JobId::new()).is_none());
        drop(permits);
        assert!(watch.job(JobId::new()).is_some());
    }

    #[test]
    fn a_cancelled_job_that_begins_all_the_same_is_told_of() {
        let (watch, now) = (Watch::default(), Instant::now());
        let (unwanted, wanted) = (JobId::new(), JobId::new());
        let deadline = Deadline::after(Duration::from_secs(60));
        watch.withdrawn(unwanted, deadline);
        assert_eq!(watch.hear(&finished(unwanted), now), None);
        assert_eq!(watch.hear(&running(unwanted), now), Some(deadline));
        assert_eq!(watch.hear(&running(wanted), now), None);
    }
}
