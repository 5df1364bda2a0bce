//! Writes executions to the store in the background, and retries while it is unavailable.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warren_protocol::event::MAX_EVENTS_BEHIND;
use warren_protocol::ids::JobId;
use warren_protocol::limits::ByteSize;
use warren_queue::{Callback, Unclaimed};

use super::CallbackSink;
use super::allowance::TextAllowance;
use super::outcome_metrics::{OutcomeMetrics, ReportedTo};
use super::progress::{Backlog, Written};
use super::write_buffer::{Buffered, WriteBuffer};
use crate::metrics::Metrics;
use crate::store::{CodeKeeping, End, Execution, Keeping, Store, StoreError};
use crate::sync::{Lock, pauses};

/// The most executions that wait to be written; further ones are not recorded. At 50 jobs a second
/// this lasts for an outage of five minutes.
pub const RECORD_BUFFER: usize = 16_384;
/// The most memory they may take together.
pub const RECORD_BUFFER_BYTES: ByteSize = ByteSize::mib(64);
/// The most unclaimed replies in the buffer. The rest wait in the queue and leave the buffer to the
/// executions of callers, which cannot wait elsewhere.
const UNCLAIMED_BUFFERED: usize = 64;
/// How many executions are written at once.
const WRITERS: usize = 8;
/// Pauses between attempts to write one execution: the first, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// How long `/api/health` reports a loss as ongoing.
const LOSS_REPORTED_FOR: Duration = Duration::from_secs(300);
/// The unit in which the buffer's memory is counted.
const UNIT: ByteSize = ByteSize::kib(1);

/// A recorder: buffers executions and writes them to the store.
pub struct Recorder {
    entries: mpsc::Sender<Entry>,
    memory: Arc<Semaphore>,
    state: Arc<State>,
    store: Arc<dyn Store>,
    buffer: Arc<WriteBuffer>,
    keeping: CodeKeeping,
    texts: TextAllowance,
    closing: CancellationToken,
    writer: Lock<Option<JoinHandle<()>>>,
}

/// An execution to be written.
struct Entry {
    buffered: Buffered,
    _memory: OwnedSemaphorePermit,
    // Dropped without a send if the execution is never written.
    written: Option<oneshot::Sender<()>>,
    unclaimed: Option<UnclaimedReply>,
}

/// An unclaimed reply until it is recorded. Dropping it makes the queue redeliver it.
struct UnclaimedReply {
    unclaimed: Unclaimed,
    _permit: OwnedSemaphorePermit,
}

struct State {
    failing: AtomicBool,
    lost: AtomicU64,
    outcomes: OutcomeMetrics,
    written: broadcast::Sender<JobId>,
    last_loss: Lock<Option<Instant>>,
}

impl State {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        *self.last_loss() = Some(Instant::now());
    }

    fn last_loss(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_loss.lock()
    }
}

impl Recorder {
    /// Starts writing to `store`, on the current runtime, and keeps no code.
    #[must_use]
    pub fn start(store: Arc<dyn Store>) -> Self {
        Self::new(CodeKeeping::HashOnly.into(), store, None)
    }

    /// As [`Recorder::start`], but keeps as much as `keeping` says.
    #[must_use]
    pub fn keeping(keeping: impl Into<Keeping>, store: Arc<dyn Store>) -> Self {
        Self::new(keeping.into(), store, None)
    }

    /// As [`Recorder::keeping`], and passes callbacks of recorded executions to `callbacks`.
    pub(crate) fn new(
        keeping: Keeping,
        store: Arc<dyn Store>,
        callbacks: Option<Arc<dyn CallbackSink>>,
    ) -> Self {
        let (entries, queue) = mpsc::channel(RECORD_BUFFER);
        let state = Arc::new(State {
            failing: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            outcomes: OutcomeMetrics::default(),
            written: broadcast::Sender::new(MAX_EVENTS_BEHIND),
            last_loss: Lock::default(),
        });
        let closing = CancellationToken::new();
        let waiting = until_closed(queue, closing.clone());
        let writing = {
            let (state, store) = (Arc::clone(&state), Arc::clone(&store));
            waiting.for_each_concurrent(WRITERS, move |entry| {
                let (store, state) = (Arc::clone(&store), Arc::clone(&state));
                let callbacks = callbacks.clone();
                async move { write(store.as_ref(), &state, callbacks.as_deref(), entry).await }
            })
        };
        Self {
            entries,
            memory: Arc::new(Semaphore::new(units(RECORD_BUFFER_BYTES) as usize)),
            state,
            store,
            buffer: Arc::default(),
            keeping: keeping.code,
            texts: TextAllowance::new(keeping.texts_a_day),
            closing,
            writer: Lock::new(Some(tokio::spawn(writing))),
        }
    }

    /// Buffers an execution to be written. Never waits: if the buffer is full the execution is
    /// lost, which is logged, counted, and reported by `/api/health`. The returned handle can wait
    /// for the write.
    pub fn record(&self, execution: Execution) -> Written {
        let execution = self.kept(execution);
        let job_id = execution.job_id;
        self.state.outcomes.ended(&execution, ReportedTo::Caller);
        let (written, writing) = oneshot::channel();
        let memory = Arc::clone(&self.memory).try_acquire_many_owned(cost(&execution));
        let sent = memory.is_ok_and(|memory| {
            let entry = Entry {
                buffered: self.buffer.hold(execution),
                _memory: memory,
                written: Some(written),
                unclaimed: None,
            };
            self.entries.try_send(entry).is_ok()
        });
        if !sent {
            self.state.lose();
            tracing::warn!(job.id = %job_id, "failed to record an execution: the store is unavailable and the buffer is full");
        }
        Written(writing)
    }

    /// Returns the record of a job, or what is buffered of it.
    ///
    /// # Errors
    /// As [`Store::find`], if the record has to be read from the store.
    pub async fn find(&self, job_id: JobId) -> Result<Option<Execution>, StoreError> {
        // The buffer first: whatever has left it by then is in the store.
        let Some(buffered) = self.buffer.find(job_id) else {
            return self.store.find(job_id).await;
        };
        if self.state.failing.load(Ordering::Relaxed) {
            return Ok(Some(buffered));
        }
        // The first record counts, and another API may have written it.
        match self.store.find(job_id).await {
            Ok(Some(found)) if found.is_settled() || !buffered.is_settled() => Ok(Some(found)),
            Ok(_) | Err(StoreError::Unavailable { .. }) => Ok(Some(buffered)),
            Err(error) => Err(error),
        }
    }

    fn kept(&self, execution: Execution) -> Execution {
        let execution = match self.keeping {
            CodeKeeping::HashOnly => execution.without_source(),
            CodeKeeping::Whole => execution,
        };
        if self.texts.admits(&execution) {
            execution
        } else {
            execution.without_texts()
        }
    }

    /// Records replies that no waiter took, each acknowledged once it is recorded, until their
    /// stream ends or the recorder is drained.
    pub async fn record_unclaimed(self: Arc<Self>, mut replies: mpsc::Receiver<Unclaimed>) {
        let permits = Arc::new(Semaphore::new(UNCLAIMED_BUFFERED));
        while let Some(unclaimed) = replies.recv().await {
            let execution = self.kept(Execution::of_unclaimed(unclaimed.reply.clone()));
            self.state.outcomes.ended(&execution, ReportedTo::Store);
            let permit = Arc::clone(&permits).acquire_owned().await;
            let memory = Arc::clone(&self.memory).acquire_many_owned(cost(&execution));
            let (Ok(permit), Ok(memory)) = (permit, memory.await) else {
                return;
            };
            let entry = Entry {
                buffered: self.buffer.hold(execution),
                _memory: memory,
                written: None,
                unclaimed: Some(UnclaimedReply {
                    unclaimed,
                    _permit: permit,
                }),
            };
            if self.entries.send(entry).await.is_err() {
                return;
            }
        }
    }

    /// Registers the metrics of job outcomes and of the recorder.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        self.state.outcomes.register(metrics);
        let backlog = || {
            let recorder = Arc::clone(self);
            move || recorder.backlog()
        };
        let read = backlog();
        metrics.register_gauge(
            "store_waiting",
            "Executions that wait to be recorded",
            move || Some(read().waiting),
        );
        metrics.register_gauge(
            "store_waiting_max",
            "How many may wait before any is lost",
            || Some(RECORD_BUFFER),
        );
        let read = backlog();
        metrics.register_gauge(
            "store_failing",
            "1 while the store takes no executions",
            move || Some(read().failing),
        );
        let recorder = Arc::clone(self);
        metrics.register_counter(
            "store_texts_left_out",
            "Executions that were recorded without texts, because their caller had recorded its share of the day",
            move || recorder.texts.left_out(),
        );
        let read = backlog();
        metrics.register_counter(
            "store_lost",
            "Executions that were never recorded",
            move || read().lost,
        );
    }

    /// Subscribes to the jobs whose unclaimed replies are recorded from now on.
    #[must_use]
    pub fn written(&self) -> broadcast::Receiver<JobId> {
        self.state.written.subscribe()
    }

    /// Returns the recorder's state.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let last_loss = *self.state.last_loss();
        Backlog {
            losing: last_loss.is_some_and(|at| at.elapsed() < LOSS_REPORTED_FOR),
            waiting: RECORD_BUFFER - self.entries.capacity(),
            failing: self.state.failing.load(Ordering::Relaxed),
            lost: self.state.lost.load(Ordering::Relaxed),
        }
    }

    /// Stops accepting executions, writes the buffered ones for at most `grace`, and ends.
    /// Executions that cannot be written in time are lost, except for unclaimed replies, which are
    /// redelivered.
    pub async fn drain(&self, grace: Duration) {
        self.closing.cancel();
        let writer = self.writer.lock().take();
        let Some(mut writer) = writer else { return };
        if tokio::time::timeout(grace, &mut writer).await.is_err() {
            writer.abort();
            let waiting = self.backlog().waiting;
            tracing::error!(
                waiting,
                "failed to record executions: the store stayed unavailable until the end of the drain"
            );
        }
    }
}

/// Returns what arrives in `queue`; after `closing`, only what is still in it.
fn until_closed(
    queue: mpsc::Receiver<Entry>,
    closing: CancellationToken,
) -> impl Stream<Item = Entry> {
    stream::unfold((queue, closing), async |(mut queue, closing)| {
        let entry = tokio::select! {
            biased;
            () = closing.cancelled(), if !queue.is_closed() => {
                queue.close();
                queue.recv().await
            }
            entry = queue.recv() => entry,
        };
        Some((entry?, (queue, closing)))
    })
}

/// Writes one execution, retrying for as long as the store is unavailable.
async fn write(
    store: &dyn Store,
    state: &State,
    callbacks: Option<&dyn CallbackSink>,
    entry: Entry,
) {
    let execution = entry.buffered.execution();
    let job_id = execution.job_id;
    let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
    let is_recorded = loop {
        let asked = Instant::now();
        let recorded = store.record(execution).await;
        if recorded.is_err() {
            state.outcomes.not_written();
        }
        match recorded {
            Ok(()) => {
                state.outcomes.written(asked.elapsed());
                if let Some(written) = entry.written {
                    // Most callers do not wait for the write.
                    let _ = written.send(());
                }
                if state.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(store = store.name(), "recording executions again");
                }
                break true;
            }
            Err(error @ (StoreError::Rejected { .. } | StoreError::Unreadable { .. })) => {
                state.lose();
                tracing::error!(job.id = %job_id, error = &error as &dyn std::error::Error, "failed to record an execution: the store refuses it");
                break false;
            }
            Err(error) => {
                if !state.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot record executions; retrying"
                    );
                }
                tokio::time::sleep(pauses.next().unwrap_or(LAST_PAUSE)).await;
            }
        }
    };
    let reply = entry.unclaimed;
    let written = state.written.clone();
    let settle = move || {
        if let Some(reply) = reply {
            reply.unclaimed.acknowledge();
            drop(written.send(job_id));
        }
    };
    match (callbacks, execution.callback.clone()) {
        // An unclaimed reply is settled only when its callback is queued.
        (Some(callbacks), Some(url)) if is_recorded && execution.end != End::Pending => {
            let origin = execution.origin.as_ref();
            let mut callback = Callback::new(job_id, url);
            callback.caller = origin.and_then(|origin| origin.caller);
            callbacks.send(callback, Box::new(settle));
        }
        _ => settle(),
    }
}

fn cost(execution: &Execution) -> u32 {
    // An execution larger than the whole buffer must still fit into an empty one.
    units(execution.weight()).min(units(RECORD_BUFFER_BYTES))
}

fn units(size: ByteSize) -> u32 {
    size.get()
        .div_ceil(UNIT.get())
        .try_into()
        .unwrap_or(u32::MAX)
}
