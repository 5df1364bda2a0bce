//! The API as a whole: put together, served, and drained.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_http::{Bounds, Drained};
use warren_shared::ids::InstanceId;
use warren_shared::languages::Languages;
use warren_shared::queue::JobQueue;

use crate::admission::Admission;
use crate::config::Config;
use crate::dispatch::{Dispatch, Way};
use crate::error::Result;
use crate::health::Health;
use crate::router::router;
use crate::state::AppState;
use crate::store::{Recorder, Store};

/// How long a drain waits for what is still to be recorded.
pub const RECORD_GRACE: Duration = Duration::from_secs(3);

/// The API, put together; [`Api::serve`] opens it.
pub struct Api {
    pub(crate) router: Router,
    queue: Arc<dyn JobQueue>,
    recorder: Arc<Recorder>,
    store: Arc<dyn Store>,
    drain_grace: Duration,
    /// Tells the routes that this API stops.
    draining: CancellationToken,
    // Ends the stream of unclaimed replies, at the latest when this is dropped.
    unclaimed: DropGuard,
}

impl Api {
    /// Puts the API together; to be called on a Tokio runtime. `queue_name` is what
    /// `/api/health` calls the queue (`rabbitmq`, `in-process queue`).
    #[must_use]
    pub fn new(
        config: Config,
        queue: Arc<dyn JobQueue>,
        queue_name: &'static str,
        store: Arc<dyn Store>,
        languages: Languages,
        instance: InstanceId,
    ) -> Self {
        let recorder = Recorder::keeping(config.code_keeping, Arc::clone(&store));
        let recorder = Arc::new(recorder);
        let draining = CancellationToken::new();
        let state = AppState {
            draining: draining.clone(),
            environment: config.environment,
            languages,
            policy: config.policy,
            wait: config.wait,
            in_flight: Semaphore::new(config.max_in_flight),
            admission: Admission::new(Arc::clone(&queue)),
            dispatch: Dispatch::new(vec![Way::Queue(Arc::clone(&queue))]),
            store: Arc::clone(&store),
            recorder: Arc::clone(&recorder),
            health: Health {
                instance,
                queue_name,
                queue: Arc::clone(&queue),
                store: Arc::clone(&store),
                recorder: Arc::clone(&recorder),
                last: Mutex::default(),
            },
        };
        Self {
            router: router(Arc::new(state), &config.origins),
            queue,
            recorder,
            store,
            drain_grace: config.drain_grace,
            draining,
            unclaimed: CancellationToken::new().drop_guard(),
        }
    }

    /// Serves until `stop` is cancelled, then drains: takes no more connections, lets requests in
    /// flight finish within the configured grace, writes what is to be recorded within
    /// [`RECORD_GRACE`], and closes the store. The queue is left open: a worker in the same
    /// process may still use it.
    ///
    /// # Errors
    /// The queue's unclaimed replies were already taken by another API.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<Drained> {
        self.record_unclaimed().await?;
        let bounds = Bounds {
            grace: self.drain_grace,
            ..Bounds::default()
        };
        let (stopped, draining) = (stop.clone(), self.draining);
        tokio::spawn(async move {
            stopped.cancelled().await;
            draining.cancel();
        });
        let drained = warren_http::serve(listener, self.router, stop, bounds).await;
        drop(self.unclaimed);
        self.recorder.drain(RECORD_GRACE).await;
        self.store.close().await;
        Ok(drained)
    }

    /// Begins to record replies that nobody waits for.
    pub(crate) async fn record_unclaimed(&self) -> Result<()> {
        // A clone, so that it ends with the guard.
        let stop = self.unclaimed.token().clone();
        let replies = self.queue.unclaimed(stop).await?;
        tokio::spawn(Arc::clone(&self.recorder).record_unclaimed(replies));
        Ok(())
    }
}
