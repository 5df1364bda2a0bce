//! Which jobs are not wanted any more: the register of one worker, which connects what it is told
//! with the jobs that it holds, now or later.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::MAX_QUEUED_JOBS;
use crate::ids::JobId;

/// For how long a cancelled job is remembered that has not come yet. Callers wait for seconds, and
/// only of their jobs anybody hears that they hung up; a job that waits for longer than this and is
/// cancelled at its beginning may be run all the same.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How many are remembered: as many as may wait. Past that the oldest goes.
const MAX_REMEMBERED: usize = MAX_QUEUED_JOBS as usize;

/// The register of one worker.
#[derive(Default)]
pub(super) struct Cancellations(Mutex<Register>);

#[derive(Default)]
struct Register {
    held: HashMap<JobId, Held>,
    remembered: Remembered,
}

struct Held {
    token: CancellationToken,
    // A job may come back to a worker that has not let go of it yet.
    holds: usize,
}

/// Cancelled jobs, the oldest first.
#[derive(Default)]
struct Remembered {
    jobs: HashSet<JobId>,
    order: VecDeque<(Instant, JobId)>,
}

/// A job that a worker holds, until it is dropped.
pub(super) struct Hold {
    register: Arc<Cancellations>,
    job: JobId,
    token: CancellationToken,
}

impl Cancellations {
    /// The job is not wanted any more, whether it is held, comes later, or never.
    pub(super) fn cancel(&self, job: JobId) {
        self.cancel_at(job, Instant::now());
    }

    fn cancel_at(&self, job: JobId, now: Instant) {
        let mut register = self.lock();
        // Also if it is held: it may be handed back, and come again.
        register.remembered.add(job, now);
        let token = register.held.get(&job).map(|held| held.token.clone());
        drop(register);
        if let Some(token) = token {
            token.cancel();
        }
    }

    /// Watches over a job that has come.
    pub(super) fn hold(self: &Arc<Self>, job: JobId) -> Hold {
        self.hold_at(job, Instant::now())
    }

    fn hold_at(self: &Arc<Self>, job: JobId, now: Instant) -> Hold {
        let mut register = self.lock();
        let is_cancelled = register.remembered.knows(job, now);
        let held = register.held.entry(job).or_insert_with(|| Held {
            token: CancellationToken::new(),
            holds: 0,
        });
        held.holds += 1;
        let token = held.token.clone();
        drop(register);
        if is_cancelled {
            token.cancel();
        }
        Hold {
            register: Arc::clone(self),
            job,
            token,
        }
    }

    fn let_go(&self, job: JobId) {
        let mut register = self.lock();
        if let Some(held) = register.held.get_mut(&job) {
            held.holds -= 1;
            if held.holds == 0 {
                register.held.remove(&job);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn add(&mut self, job: JobId, now: Instant) {
        self.forget(now);
        if self.jobs.insert(job) {
            self.order.push_back((now, job));
        }
        if self.order.len() > MAX_REMEMBERED {
            self.forget_oldest();
        }
    }

    fn knows(&mut self, job: JobId, now: Instant) -> bool {
        self.forget(now);
        self.jobs.contains(&job)
    }

    /// Forgets what was cancelled long enough ago.
    fn forget(&mut self, now: Instant) {
        while let Some((since, _)) = self.order.front()
            && now.saturating_duration_since(*since) >= REMEMBERED_FOR
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, job)) = self.order.pop_front() {
            self.jobs.remove(&job);
        }
    }
}

impl Hold {
    /// Cancelled once the job is.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.register.let_go(self.job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register() -> Arc<Cancellations> {
        Arc::default()
    }

    impl Cancellations {
        fn sizes(&self) -> (usize, usize, usize) {
            let register = self.lock();
            let remembered = &register.remembered;
            (
                register.held.len(),
                remembered.jobs.len(),
                remembered.order.len(),
            )
        }
    }

    #[test]
    fn a_held_job_learns_of_its_cancellation_and_no_other_does() {
        let register = register();
        let (wanted, unwanted) = (register.hold(JobId::new()), register.hold(JobId::new()));
        register.cancel(unwanted.job);
        assert!(unwanted.token().is_cancelled());
        assert!(!wanted.token().is_cancelled());
    }

    #[test]
    fn a_cancellation_waits_for_its_job_and_outlives_each_hold_of_it() {
        let (register, job) = (register(), JobId::new());
        register.cancel(job);
        for _ in 0..2 {
            assert!(register.hold(job).token().is_cancelled());
        }
    }

    #[test]
    fn every_hold_of_a_job_learns_of_its_cancellation() {
        let (register, job) = (register(), JobId::new());
        let (first, second) = (register.hold(job), register.hold(job));
        drop(first);
        register.cancel(job);
        assert!(second.token().is_cancelled());
        drop(second);
        assert_eq!(register.sizes(), (0, 1, 1));
    }

    #[test]
    fn what_is_settled_leaves_no_trace() {
        let register = register();
        drop(register.hold(JobId::new()));
        assert_eq!(register.sizes(), (0, 0, 0));
    }

    #[test]
    fn a_cancellation_is_forgotten_in_time() {
        let (register, job, now) = (register(), JobId::new(), Instant::now());
        register.cancel_at(job, now);
        // Told again, it is not remembered for longer: callers hang up once.
        register.cancel_at(job, now + REMEMBERED_FOR / 2);
        let just_before = now + REMEMBERED_FOR.saturating_sub(Duration::from_millis(1));
        assert!(register.hold_at(job, just_before).token().is_cancelled());
        let after = register.hold_at(job, now + REMEMBERED_FOR);
        assert!(!after.token().is_cancelled());
        assert_eq!(register.sizes(), (1, 0, 0));
    }

    #[test]
    fn cancellations_are_bounded_and_the_oldest_go() {
        let (register, first, second) = (register(), JobId::new(), JobId::new());
        register.cancel(first);
        register.cancel(second);
        for _ in 2..=MAX_REMEMBERED {
            register.cancel(JobId::new());
        }
        assert_eq!(register.sizes(), (0, MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!register.hold(first).token().is_cancelled());
        assert!(register.hold(second).token().is_cancelled());
    }
}
