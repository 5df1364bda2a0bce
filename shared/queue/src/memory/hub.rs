//! The state that all handles of one in-process queue share: jobs and unclaimed replies.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::callbacks::Callbacks;
use crate::cancellations::Cancellations;
use crate::event_bus::EventBus;
use crate::waiters::Waiters;
use crate::worker_registry::WorkerRegistry;
use crate::{JobClass, QueueStatus, RoomTurns, SubmitError};
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

/// One handle of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct HandleId(u64);

/// One delivery of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag(u64);

pub(super) struct Hub {
    capacity: usize,
    /// One register for all workers: a cancellation in it reaches each of them.
    pub(super) cancellations: Arc<Cancellations>,
    pub(super) callbacks: Arc<Callbacks>,
    state: Mutex<State>,
    interactive_waits: Notify,
    unattended_waits: Notify,
    reply_waits: Notify,
    workers: WorkerRegistry,
    events: EventBus,
}

#[derive(Default)]
struct State {
    last_id: u64,
    handles: HashMap<HandleId, Arc<Waiters>>,
    interactive: VecDeque<Queued>,
    /// Caller by caller, and room by room in turn.
    unattended: RoomTurns<Queued>,
    held: HashMap<Tag, HeldJob>,
    consumers: u32,
    unclaimed: VecDeque<Reply>,
}

struct Queued {
    job: Job,
    class: JobClass,
    reply_to: Option<HandleId>,
    tries: u32,
    delivered: bool,
}

/// The reason for which a held job comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// Its worker gives it to another.
    HandedBack,
    /// Its worker lost it, which counts as a try.
    Lost,
}

struct HeldJob {
    queued: Queued,
    by: HandleId,
}

/// A job as a consumer gets it.
pub(super) struct TakenJob {
    pub(super) tag: Tag,
    pub(super) job: Job,
    pub(super) redelivered: bool,
    pub(super) reply_to: Option<HandleId>,
}

/// A guard that counts as a consumer until it is dropped.
pub(super) struct Consumer(Arc<Hub>);

impl Drop for Consumer {
    fn drop(&mut self) {
        self.0.lock().consumers -= 1;
    }
}

impl Hub {
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX),
            cancellations: Arc::default(),
            callbacks: Arc::default(),
            state: Mutex::default(),
            interactive_waits: Notify::new(),
            unattended_waits: Notify::new(),
            reply_waits: Notify::new(),
            workers: WorkerRegistry::default(),
            events: EventBus::default(),
        }
    }

    /// Returns the live workers.
    pub(super) fn workers(&self) -> &WorkerRegistry {
        &self.workers
    }

    /// Returns the bus of job events.
    pub(super) fn events(&self) -> &EventBus {
        &self.events
    }

    pub(super) fn attach(&self, waiters: &Arc<Waiters>) -> HandleId {
        let mut state = self.lock();
        let id = HandleId(state.next_id());
        state.handles.insert(id, Arc::clone(waiters));
        id
    }

    /// Removes a handle: jobs that it held go back, replies for it stay unclaimed.
    pub(super) fn detach(&self, id: HandleId) {
        let tags: Vec<Tag> = {
            let mut state = self.lock();
            state.handles.remove(&id);
            let held = state.held.iter().filter(|(_, held)| held.by == id);
            held.map(|(tag, _)| *tag).collect()
        };
        for tag in tags {
            self.give_back(tag, Return::Lost);
        }
    }

    pub(super) fn consumer(self: &Arc<Self>) -> Consumer {
        self.lock().consumers += 1;
        Consumer(Arc::clone(self))
    }

    /// Reports the state of the queue to a caller that asked at that time.
    pub(super) fn status(&self, asked: Instant) -> QueueStatus {
        let state = self.lock();
        let count = |class| u32::try_from(state.waiting(class)).unwrap_or(u32::MAX);
        QueueStatus {
            waiting: count(JobClass::Interactive),
            unattended: count(JobClass::Unattended),
            consumers: state.consumers,
            latency: asked.elapsed(),
        }
    }

    /// Queues the job of a caller that waits at `reply_to`.
    pub(super) fn submit(&self, job: Job, reply_to: HandleId) -> Result<(), SubmitError> {
        if self.lock().consumers == 0 {
            return Err(SubmitError::NoWorkers);
        }
        self.enqueue(job, JobClass::Interactive, Some(reply_to))
    }

    /// Queues an unattended job.
    pub(super) fn submit_unattended(&self, job: Job) -> Result<(), SubmitError> {
        self.enqueue(job, JobClass::Unattended, None)
    }

    fn enqueue(
        &self,
        job: Job,
        class: JobClass,
        reply_to: Option<HandleId>,
    ) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if state.waiting(class) >= self.capacity {
            for queued in state.remove_expired(class) {
                self.put_aside(&mut state, queued);
            }
        }
        if state.waiting(class) >= self.capacity {
            return Err(SubmitError::Full);
        }
        state.push(Queued {
            job,
            class,
            reply_to,
            tries: 0,
            delivered: false,
        });
        drop(state);
        self.waits(class).notify_one();
        Ok(())
    }

    /// Waits for the next job of that class, held by `by` until it is settled.
    pub(super) async fn take(&self, class: JobClass, by: HandleId) -> TakenJob {
        loop {
            let notified = self.waits(class).notified();
            if let Some(taken) = self.try_take(class, by) {
                return taken;
            }
            notified.await;
        }
    }

    fn waits(&self, class: JobClass) -> &Notify {
        match class {
            JobClass::Interactive => &self.interactive_waits,
            JobClass::Unattended => &self.unattended_waits,
        }
    }

    fn try_take(&self, class: JobClass, by: HandleId) -> Option<TakenJob> {
        let mut state = self.lock();
        loop {
            let mut queued = state.take(class)?;
            if !queued.is_alive() {
                self.put_aside(&mut state, queued);
                continue;
            }
            let redelivered = std::mem::replace(&mut queued.delivered, true);
            let tag = Tag(state.next_id());
            let taken = TakenJob {
                tag,
                job: queued.job.clone(),
                redelivered,
                reply_to: queued.reply_to,
            };
            state.held.insert(tag, HeldJob { queued, by });
            return Some(taken);
        }
    }

    pub(super) fn holds(&self, tag: Tag) -> bool {
        self.lock().held.contains_key(&tag)
    }

    /// Forgets a job that is settled.
    pub(super) fn forget(&self, tag: Tag) {
        self.lock().held.remove(&tag);
    }

    /// Puts a job aside that was taken and whose deadline passed before it could be run.
    pub(super) fn expire(&self, tag: Tag) {
        let mut state = self.lock();
        if let Some(HeldJob { queued, .. }) = state.held.remove(&tag) {
            self.put_aside(&mut state, queued);
        }
    }

    /// Forgets a job whose deadline passed. An unattended one is answered, since its end would go
    /// unnoticed otherwise.
    fn put_aside(&self, state: &mut State, queued: Queued) {
        tracing::info!(job.id = %queued.job.id, "job not run: its deadline had passed");
        if queued.class == JobClass::Unattended {
            self.keep_in(state, Reply::deadline_passed(queued.job));
        }
    }

    /// Gives the job back to where it came from, unless it was tried often enough. Returns `false`
    /// if it went back already.
    pub(super) fn give_back(&self, tag: Tag, how: Return) -> bool {
        let mut state = self.lock();
        let Some(HeldJob { mut queued, .. }) = state.held.remove(&tag) else {
            return false;
        };
        if how == Return::Lost {
            queued.tries += 1;
        }
        if queued.tries >= queued.class.max_tries() {
            drop(state);
            tracing::error!(
                job.id = %queued.job.id, tries = queued.tries,
                "job given up: every worker that took it lost it"
            );
            self.reply(Reply::worker_crashed(queued.job), queued.reply_to);
        } else {
            let class = queued.class;
            state.put_back(queued);
            drop(state);
            self.waits(class).notify_one();
        }
        true
    }

    /// Hands the reply to the waiter at `reply_to`, or keeps it as unclaimed.
    pub(super) fn reply(&self, reply: Reply, reply_to: Option<HandleId>) {
        let waiters = reply_to.and_then(|id| self.lock().handles.get(&id).cloned());
        let unclaimed = match waiters {
            Some(waiters) => waiters.claim(reply),
            None => Some(reply),
        };
        if let Some(reply) = unclaimed {
            self.keep(reply);
        }
    }

    /// Keeps an unclaimed reply. As many are kept as jobs may wait; beyond that the oldest is
    /// dropped.
    pub(super) fn keep(&self, reply: Reply) {
        self.keep_in(&mut self.lock(), reply);
    }

    fn keep_in(&self, state: &mut State, reply: Reply) {
        if state.unclaimed.len() >= self.capacity
            && let Some(oldest) = state.unclaimed.pop_front()
        {
            tracing::error!(job.id = %oldest.job_id, "dropped the oldest unclaimed reply: too many wait to be recorded");
        }
        state.unclaimed.push_back(reply);
        self.reply_waits.notify_one();
    }

    /// Waits for the next unclaimed reply.
    pub(super) async fn take_unclaimed(&self) -> Reply {
        loop {
            let notified = self.reply_waits.notified();
            if let Some(reply) = self.lock().unclaimed.pop_front() {
                return reply;
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns how many jobs of that class wait.
    fn waiting(&self, class: JobClass) -> usize {
        match class {
            JobClass::Interactive => self.interactive.len(),
            JobClass::Unattended => self.unattended.len(),
        }
    }

    fn push(&mut self, queued: Queued) {
        match queued.class {
            JobClass::Interactive => self.interactive.push_back(queued),
            JobClass::Unattended => {
                let (caller, room) = (
                    queued.job.caller.unwrap_or_default(),
                    queued.job.room.clone(),
                );
                self.unattended.push(caller, &room, queued);
            }
        }
    }

    /// Puts a job that was taken before the others of its kind.
    fn put_back(&mut self, queued: Queued) {
        match queued.class {
            JobClass::Interactive => self.interactive.push_front(queued),
            JobClass::Unattended => {
                let (caller, room) = (
                    queued.job.caller.unwrap_or_default(),
                    queued.job.room.clone(),
                );
                self.unattended.put_back(caller, &room, queued);
            }
        }
    }

    fn take(&mut self, class: JobClass) -> Option<Queued> {
        match class {
            JobClass::Interactive => self.interactive.pop_front(),
            JobClass::Unattended => self.unattended.take(),
        }
    }

    fn remove_expired(&mut self, class: JobClass) -> Vec<Queued> {
        match class {
            JobClass::Interactive => {
                let all = std::mem::take(&mut self.interactive).into_iter();
                let (alive, expired): (Vec<_>, Vec<_>) = all.partition(Queued::is_alive);
                self.interactive = alive.into();
                expired
            }
            JobClass::Unattended => self.unattended.remove(|queued| !queued.is_alive()),
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Queued {
    fn is_alive(&self) -> bool {
        !self.job.deadline.has_passed()
    }
}
