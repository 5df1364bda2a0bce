//! One worker's register of cancelled jobs, held now or delivered later.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::MAX_QUEUED_JOBS;
use warren_protocol::ids::JobId;
use warren_protocol::time::Deadline;

/// The least time for which a cancelled job that has not arrived yet is remembered. A job whose
/// caller hung up waits for seconds; an unattended one is remembered for as long as it may wait.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// The most jobs that are remembered: as many as may wait, of either class. Beyond that, those that
/// expire first are forgotten.
const MAX_REMEMBERED: usize = 2 * MAX_QUEUED_JOBS as usize;
/// The longest time that a job is remembered, however wrong a clock is.
const MAX_REMEMBERED_FOR: Duration = Duration::from_secs(25 * 60 * 60);

/// The register of one worker.
#[derive(Default)]
pub(super) struct Cancellations(Mutex<CancellationRegister>);

#[derive(Default)]
struct CancellationRegister {
    held: HashMap<JobId, WatchedJob>,
    remembered: Remembered,
}

struct WatchedJob {
    token: CancellationToken,
    // A job may be delivered again to a worker that has not let go of it yet.
    holds: usize,
}

/// Cancelled jobs, each with the time until which it is remembered.
#[derive(Default)]
struct Remembered {
    jobs: HashMap<JobId, Instant>,
    order: BTreeSet<(Instant, JobId)>,
}

/// A job that a worker holds, until it is dropped.
pub(super) struct Hold {
    register: Arc<Cancellations>,
    job: JobId,
    token: CancellationToken,
}

impl Cancellations {
    /// Records that the job, which may wait until `deadline`, is no longer wanted, whether it is
    /// held, arrives later, or never does.
    pub(super) fn cancel(&self, job: JobId, deadline: Deadline) {
        let (least, most) = (REMEMBERED_FOR, MAX_REMEMBERED_FOR);
        let span = deadline.remaining().clamp(least, most);
        self.cancel_at(job, Instant::now(), span);
    }

    fn cancel_at(&self, job: JobId, now: Instant, span: Duration) {
        let mut register = self.lock();
        // Also if it is held: it may be handed back, and delivered again.
        register.remembered.add(job, now, span);
        let token = register.held.get(&job).map(|held| held.token.clone());
        drop(register);
        if let Some(token) = token {
            token.cancel();
        }
    }

    /// Watches over a job that has arrived.
    pub(super) fn hold(self: &Arc<Self>, job: JobId) -> Hold {
        self.hold_at(job, Instant::now())
    }

    fn hold_at(self: &Arc<Self>, job: JobId, now: Instant) -> Hold {
        let mut register = self.lock();
        let is_cancelled = register.remembered.knows(job, now);
        let held = register.held.entry(job).or_insert_with(|| WatchedJob {
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

    fn lock(&self) -> MutexGuard<'_, CancellationRegister> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn add(&mut self, job: JobId, now: Instant, span: Duration) {
        self.forget(now);
        let until = now + span;
        // A repeated cancellation does not extend the time: callers hang up once.
        if let Entry::Vacant(unknown) = self.jobs.entry(job) {
            unknown.insert(until);
            self.order.insert((until, job));
        }
        if self.order.len() > MAX_REMEMBERED {
            self.forget_first();
        }
    }

    fn knows(&mut self, job: JobId, now: Instant) -> bool {
        self.forget(now);
        self.jobs.contains_key(&job)
    }

    /// Forgets jobs whose time is over.
    fn forget(&mut self, now: Instant) {
        while let Some((until, _)) = self.order.first()
            && *until <= now
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, job)) = self.order.pop_first() {
            self.jobs.remove(&job);
        }
    }
}

impl Hold {
    /// Returns a token that is cancelled once the job is.
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

    /// Returns the deadline of a job whose caller waits.
    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
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
    fn only_the_cancelled_job_is_notified_of_its_cancellation() {
        let register = register();
        let (wanted, unwanted) = (register.hold(JobId::new()), register.hold(JobId::new()));
        register.cancel(unwanted.job, soon());
        assert!(unwanted.token().is_cancelled());
        assert!(!wanted.token().is_cancelled());
    }

    #[test]
    fn a_cancellation_waits_for_its_job_and_outlives_each_hold_of_it() {
        let (register, job) = (register(), JobId::new());
        register.cancel(job, soon());
        for _ in 0..2 {
            assert!(register.hold(job).token().is_cancelled());
        }
    }

    #[test]
    fn every_hold_of_a_job_is_notified_of_its_cancellation() {
        let (register, job) = (register(), JobId::new());
        let (first, second) = (register.hold(job), register.hold(job));
        drop(first);
        register.cancel(job, soon());
        assert!(second.token().is_cancelled());
        drop(second);
        assert_eq!(register.sizes(), (0, 1, 1));
    }

    #[test]
    fn a_settled_job_leaves_no_trace() {
        let register = register();
        drop(register.hold(JobId::new()));
        assert_eq!(register.sizes(), (0, 0, 0));
    }

    #[test]
    fn a_cancellation_is_forgotten_in_time() {
        let (register, job, now) = (register(), JobId::new(), Instant::now());
        register.cancel_at(job, now, REMEMBERED_FOR);
        // A repeated cancellation does not extend the time: callers hang up once.
        register.cancel_at(job, now + REMEMBERED_FOR / 2, REMEMBERED_FOR);
        let just_before = now + REMEMBERED_FOR.saturating_sub(Duration::from_millis(1));
        assert!(register.hold_at(job, just_before).token().is_cancelled());
        let after = register.hold_at(job, now + REMEMBERED_FOR);
        assert!(!after.token().is_cancelled());
        assert_eq!(register.sizes(), (1, 0, 0));
    }

    #[test]
    fn a_job_is_remembered_for_as_long_as_it_may_wait() {
        let (register, job, now) = (register(), JobId::new(), Instant::now());
        let (hour, second) = (Duration::from_secs(3_600), Duration::from_secs(1));
        register.cancel_at(job, now, hour);
        register.cancel_at(JobId::new(), now, REMEMBERED_FOR);
        let late = register.hold_at(job, now + hour.saturating_sub(second));
        assert!(late.token().is_cancelled());
        assert_eq!(register.sizes(), (1, 1, 1), "the other is forgotten");
        drop(late);
        assert!(!register.hold_at(job, now + hour).token().is_cancelled());
    }

    #[test]
    fn cancellations_are_bounded_and_the_first_to_expire_are_forgotten() {
        let (register, now) = (register(), Instant::now());
        let (first, second) = (JobId::new(), JobId::new());
        register.cancel_at(second, now, 2 * REMEMBERED_FOR);
        register.cancel_at(first, now, REMEMBERED_FOR);
        for _ in 2..=MAX_REMEMBERED {
            register.cancel_at(JobId::new(), now, 2 * REMEMBERED_FOR);
        }
        assert_eq!(register.sizes(), (0, MAX_REMEMBERED, MAX_REMEMBERED));
        assert!(!register.hold_at(first, now).token().is_cancelled());
        assert!(register.hold_at(second, now).token().is_cancelled());
    }
}
