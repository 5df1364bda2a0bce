//! The API as a whole: put together, served, and drained.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_shared::ids::InstanceId;
use warren_shared::languages::Languages;
use warren_shared::queue::JobQueue;

use crate::config::Config;
use crate::dispatch::{Dispatch, Way};
use crate::error::Result;
use crate::health::Health;
use crate::router::router;
use crate::server;
use crate::state::AppState;
use crate::store::{Recorder, Store};

/// How long a drain waits for what is still to be recorded.
pub const RECORD_GRACE: Duration = Duration::from_secs(3);

/// What the API is made of.
pub struct Parts {
    /// Where jobs go. Not closed by the API: a worker in the same process may use it too.
    pub queue: Arc<dyn JobQueue>,
    /// What `/api/health` calls the queue (`rabbitmq`, `in-process queue`).
    pub queue_name: &'static str,
    /// Where executions are recorded. Closed when the API has drained.
    pub store: Arc<dyn Store>,
    /// What can be run.
    pub languages: Languages,
    /// Which process this is.
    pub instance: InstanceId,
}

/// The running API, for now without a port.
pub struct Api {
    router: Router,
    recorder: Arc<Recorder>,
    store: Arc<dyn Store>,
    drain_grace: Duration,
    // Ends the stream of unclaimed replies, at the latest when this is dropped.
    unclaimed: DropGuard,
}

impl Api {
    /// Puts the API together and begins to record replies that nobody waits for.
    ///
    /// # Errors
    /// The queue's unclaimed replies were already taken by another API.
    pub async fn start(config: &Config, parts: Parts) -> Result<Self> {
        let Parts {
            queue,
            queue_name,
            store,
            languages,
            instance,
        } = parts;
        let stop = CancellationToken::new();
        let unclaimed = queue.unclaimed(stop.clone()).await?;
        let recorder = Arc::new(Recorder::start(Arc::clone(&store)));
        tokio::spawn(Arc::clone(&recorder).record_unclaimed(unclaimed));
        let state = AppState {
            environment: config.environment,
            languages,
            policy: config.policy,
            wait: config.wait,
            in_flight: Semaphore::new(config.max_in_flight),
            dispatch: Dispatch::new(vec![Way::Queue(Arc::clone(&queue))]),
            store: Arc::clone(&store),
            recorder: Arc::clone(&recorder),
            health: Health::new(
                instance,
                queue_name,
                queue,
                Arc::clone(&store),
                Arc::clone(&recorder),
            ),
        };
        Ok(Self {
            router: router(Arc::new(state), &config.origins),
            recorder,
            store,
            drain_grace: config.drain_grace,
            unclaimed: stop.drop_guard(),
        })
    }

    /// The routes, for a server of the caller's own.
    #[must_use]
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Serves until `stop` is cancelled, then drains: takes no more connections, lets requests in
    /// flight finish within the configured grace, writes what is to be recorded within
    /// [`RECORD_GRACE`], and closes the store.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        server::serve(listener, self.router, stop, self.drain_grace).await;
        drop(self.unclaimed);
        self.recorder.drain(RECORD_GRACE).await;
        self.store.close().await;
    }
}
