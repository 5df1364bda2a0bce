//! Assembly of the API: building it, serving it, and draining it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_http::{Answers, Bounds, ConnectionCounts, Drained, ForeignPages, Hosts, Proxies};
use warren_languages::Languages;
use warren_protocol::ids::InstanceId;
use warren_queue::ApiQueue;

use crate::access::middleware::Access;
use crate::access::rate::TrustedProxies;
use crate::callbacks::{Callbacks, Posting};
use crate::config::Config;
use crate::error::Result;
use crate::execution::admission::{Admission, InFlight};
use crate::execution::attended::AttendedJobs;
use crate::execution::dispatch::Dispatch;
use crate::execution::idempotency::Idempotency;
use crate::execution::intake::Intake;
use crate::execution::open_jobs::OpenJobs;
use crate::execution::unattended::UnattendedJobs;
use crate::health::Health;
use crate::history::watch::{Watch, publish_ends};
use crate::history::{CallbackSink, HistoryReader, Recorder};
use crate::metrics::{Kind, Metrics, Readings, RequestCounters};
use crate::router::{PROBES, router};
use crate::state::{AppState, RequestPermits};
use crate::store::Store;

/// How long a drain waits for what is still to be recorded.
pub const RECORD_GRACE: Duration = Duration::from_secs(3);

/// How long a drain waits after that for callbacks that are still to be queued.
const CALLBACK_GRACE: Duration = Duration::from_secs(1);

/// The API, ready to be served by [`Api::serve`].
pub struct Api {
    pub(crate) router: Router,
    queue: Arc<dyn ApiQueue>,
    recorder: Arc<Recorder>,
    store: Arc<dyn Store>,
    drain_grace: Duration,
    proxies: TrustedProxies,
    connections: ConnectionCounts,
    /// Cancelled once this API stops.
    pub(crate) draining: CancellationToken,
    // Ends the streams of unclaimed replies and of callbacks, at the latest when this is dropped.
    unclaimed: DropGuard,
    // Ends the tasks that publish and read job events.
    _listening: DropGuard,
    pub(crate) callbacks: Arc<Callbacks>,
}

impl Api {
    /// Builds the API. Must be called on a Tokio runtime. `queue_name` is the queue's name in
    /// `/api/health` (`rabbitmq`, `in-process queue`).
    ///
    /// # Errors
    /// The HTTP client of a configured fallback cannot be created.
    pub fn new(
        config: Config,
        queue: Arc<dyn ApiQueue>,
        queue_name: &'static str,
        store: Arc<dyn Store>,
        languages: Languages,
        instance: InstanceId,
    ) -> Result<Self> {
        let dispatch = Arc::new(Dispatch::new(Arc::clone(&queue), config.fallback)?);
        let callbacks = Arc::new(Callbacks::new(config.callbacks, Arc::clone(&queue)));
        let outbox = Arc::clone(&callbacks.outbox) as Arc<dyn CallbackSink>;
        let recorder = Recorder::new(config.keeping, Arc::clone(&store), Some(outbox));
        let recorder = Arc::new(recorder);
        let draining = CancellationToken::new();
        let watch = Arc::<Watch>::default();
        let listening = CancellationToken::new();
        let events = queue.events();
        let open = Arc::<OpenJobs>::default();
        let closing = Arc::clone(&open);
        let ended = move |job| closing.ended(job);
        let hearing =
            Arc::clone(&watch).listen(events, Arc::clone(&queue), ended, listening.clone());
        tokio::spawn(hearing);
        let ended = recorder.written();
        tokio::spawn(publish_ends(ended, Arc::clone(&queue), listening.clone()));
        let answers = Answers::default();
        let in_flight = Arc::new(InFlight::new(config.max_in_flight));
        let admission = Admission::new(Arc::clone(&queue));
        let health = Arc::new(Health::new(
            instance,
            (queue_name, Arc::clone(&queue)),
            Arc::clone(&store),
            Arc::clone(&recorder),
            Arc::clone(&dispatch),
        ));
        let metrics = Metrics::new();
        let requests = RequestCounters::new(&metrics);
        recorder.register(&metrics);
        in_flight.register(&metrics);
        open.register(&metrics);
        admission.register(&metrics);
        dispatch.register(&metrics);
        callbacks.register(&metrics);
        health.register(&metrics);
        let held = answers.clone();
        let help = "Bytes of large answers that are being sent";
        metrics.register_gauge("answers_sending_bytes", help, move || Some(held.sending()));
        let connections = ConnectionCounts::default();
        register_connections(&metrics, connections.clone());
        let stops = draining.clone();
        metrics.register_gauge("draining", "1 once this API stops", move || {
            Some(stops.is_cancelled())
        });
        let foreign = ForeignPages {
            origins: config.origins.header_values(),
            hosts: (!config.auth.is_on()).then(|| Hosts {
                named: config.hosts,
                only_loopback: config.address.ip().is_loopback(),
            }),
            probes: &PROBES,
        };
        let proxies = config.rate.proxies.clone();
        let state = Arc::new(AppState {
            wait: config.wait,
            permits: RequestPermits::default(),
            intake: Intake {
                languages,
                policy: config.policy,
                callbacks: Arc::clone(&callbacks),
            },
            attended: AttendedJobs {
                in_flight,
                admission,
                dispatch,
                recorder: Arc::clone(&recorder),
                answers: answers.clone(),
            },
            unattended: UnattendedJobs {
                queue: Arc::clone(&queue),
                recorder: Arc::clone(&recorder),
                open,
                max_wait: config.async_max_wait,
            },
            idempotency: Idempotency {
                store: Arc::clone(&store),
                recorder: Arc::clone(&recorder),
                answers: answers.clone(),
            },
            history: Arc::new(HistoryReader {
                recorder: Arc::clone(&recorder),
                watch: Arc::clone(&watch),
                answers,
                draining: draining.clone(),
                environment: config.environment,
            }),
            watch,
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            health,
            access: Arc::new(Access::start(config.auth, config.rate)),
            metrics,
            requests,
            draining: draining.clone(),
        });
        Ok(Self {
            router: router(state, &config.origins, foreign),
            proxies,
            connections,
            queue,
            recorder,
            store,
            drain_grace: config.drain_grace,
            draining,
            unclaimed: CancellationToken::new().drop_guard(),
            _listening: listening.drop_guard(),
            callbacks,
        })
    }

    /// Serves until `stop` is cancelled, then drains: accepts no more connections, lets requests in
    /// flight finish within the configured grace, writes what is to be recorded within
    /// [`RECORD_GRACE`], and closes the store. Leaves the queue open, because a worker in the same
    /// process may still use it.
    ///
    /// # Errors
    /// The queue's unclaimed replies were already taken by another API.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<Drained> {
        self.record_unclaimed().await?;
        let posting = self.post_callbacks().await?;
        let bounds = Bounds {
            grace: self.drain_grace,
            proxies: Proxies::new(move |address| self.proxies.is_trusted(address)),
            counts: self.connections,
            ..Bounds::default()
        };
        let (stopped, draining) = (stop.clone(), self.draining);
        tokio::spawn(async move {
            stopped.cancelled().await;
            draining.cancel();
        });
        let drained = warren_http::serve(listener, self.router, stop, bounds).await;
        drop(self.unclaimed);
        let recording = async {
            self.recorder.drain(RECORD_GRACE).await;
            self.callbacks.outbox.drain(CALLBACK_GRACE).await;
        };
        tokio::join!(recording, posting.end(RECORD_GRACE));
        self.store.close().await;
        Ok(drained)
    }

    /// Starts posting callbacks.
    pub(crate) async fn post_callbacks(&self) -> Result<Posting> {
        let (queue, store) = (self.queue.as_ref(), Arc::clone(&self.store));
        let stop = self.unclaimed.token().clone();
        Ok(self.callbacks.post(queue, store, stop).await?)
    }

    /// Starts recording replies that no caller waits for.
    pub(crate) async fn record_unclaimed(&self) -> Result<()> {
        // A clone of the token, so that recording ends with the guard.
        let stop = self.unclaimed.token().clone();
        let replies = self.queue.unclaimed(stop).await?;
        tokio::spawn(Arc::clone(&self.recorder).record_unclaimed(replies));
        Ok(())
    }
}

fn register_connections(metrics: &Metrics, counts: ConnectionCounts) {
    metrics.register_collector(Readings {
        name: "connections_not_kept",
        help: "Connections that were refused or ended, and why",
        kind: Kind::Counter,
        label: "why",
        read: move || counts.read().to_vec(),
    });
}
