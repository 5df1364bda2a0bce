//! Dispatch of jobs to backends, tried in order until one takes the job.

mod backend_name;
mod breaker;
pub(crate) mod config;
mod direct_worker;
mod error;
mod fallback;
mod fault;
pub(crate) mod judge0;
mod queued;
mod retry_after;

pub(crate) use backend_name::BackendName;
use breaker::BreakerState;
pub(crate) use error::{DispatchError, OVERLOADED, failure_problem};
pub(crate) use fallback::Fallback;

use std::sync::Arc;

use warren_outbound::ClientError;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;
use warren_queue::ApiQueue;

use crate::history::Recorder;
use crate::metrics::{Kind, Metrics, Readings};
use config::FallbackConfig;
use direct_worker::DirectWorker;
use judge0::Judge0;
use warren_http::Budget;

/// The backends, in the order in which they are tried.
pub(crate) struct Dispatch {
    backends: Vec<Backend>,
}

/// A backend, which runs jobs.
pub(crate) enum Backend {
    /// The queue: any worker may take the job.
    Queue(Arc<dyn ApiQueue>),
    /// A service that is asked directly.
    Fallback(Arc<Fallback>),
}

/// A reply, and the backend that it came from.
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) backend: BackendName,
}

impl Backend {
    fn name(&self) -> BackendName {
        match self {
            Self::Queue(_) => BackendName::Queue,
            Self::Fallback(fallback) => fallback.name(),
        }
    }

    async fn run(
        &self,
        job: &Job,
        budget: Budget,
        recorder: &Arc<Recorder>,
    ) -> Result<Reply, DispatchError> {
        match self {
            Self::Queue(queue) => queued::run(queue, job, budget, recorder).await,
            Self::Fallback(fallback) => fallback.run(job, budget, recorder).await,
        }
    }

    /// Returns whether it has capacity while this Warren's workers have none. The executor is one
    /// of these workers, and its slots are promised to admitted jobs.
    fn takes_overflow(&self) -> bool {
        match self {
            Self::Fallback(fallback) => {
                fallback.name() == BackendName::Judge0 && fallback.is_open_to_jobs()
            }
            Self::Queue(_) => false,
        }
    }
}

impl Dispatch {
    /// Builds the queue backend, and the fallbacks that are configured.
    ///
    /// # Errors
    /// The HTTP client of a fallback cannot be created.
    pub(crate) fn new(
        queue: Arc<dyn ApiQueue>,
        config: FallbackConfig,
    ) -> Result<Self, ClientError> {
        let mut backends = vec![Backend::Queue(queue)];
        if let Some(config) = config.executor {
            let executor = Fallback::new(DirectWorker::new(config)?);
            backends.push(Backend::Fallback(Arc::new(executor)));
        }
        if let Some(config) = config.judge0 {
            let judge0 = Fallback::new(Judge0::new(config)?);
            backends.push(Backend::Fallback(Arc::new(judge0)));
        }
        Ok(Self { backends })
    }

    /// Runs the job and waits for the reply, within `budget`. If a backend has certainly not taken
    /// the job, the next one is tried. If all have refused it, the caller receives the first
    /// refusal, because that is the one to fix, with the others in its details.
    pub(crate) async fn run(
        &self,
        job: &Job,
        budget: Budget,
        recorder: &Arc<Recorder>,
    ) -> Result<Answered, DispatchError> {
        let backends = self.backends.iter().collect();
        along(backends, Vec::new(), job, budget, recorder).await
    }

    /// Returns whether some backend may take a job that this Warren's workers have no time for.
    pub(crate) fn takes_overflow(&self) -> bool {
        self.backends.iter().any(Backend::takes_overflow)
    }

    /// Runs a job that this Warren's workers have no time for.
    pub(crate) async fn overflow(
        &self,
        job: &Job,
        budget: Budget,
        recorder: &Arc<Recorder>,
    ) -> Result<Answered, DispatchError> {
        let backends = self
            .backends
            .iter()
            .filter(|backend| backend.takes_overflow())
            .collect();
        let refused = vec![(BackendName::Queue, DispatchError::Overloaded)];
        along(backends, refused, job, budget, recorder).await
    }

    /// Registers which breakers are open.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        let dispatch = Arc::clone(self);
        let is_open = move |backend| {
            let mut fallbacks = dispatch.fallbacks();
            let found = fallbacks.find(|fallback| fallback.name() == backend);
            found.is_some_and(|fallback| {
                matches!(fallback.breaker_state(), BreakerState::Open { .. })
            })
        };
        metrics.register_collector(Readings {
            name: "breaker_open",
            help: "1 while this fallback is left alone, since it failed",
            kind: Kind::Gauge,
            label: "way",
            read: move || {
                let backends = [BackendName::Executor, BackendName::Judge0];
                let open = backends.map(|backend| (backend.as_str(), u64::from(is_open(backend))));
                open.to_vec()
            },
        });
    }

    /// Returns the backends besides the queue, in their order.
    pub(crate) fn fallbacks(&self) -> impl Iterator<Item = &Arc<Fallback>> {
        self.backends.iter().filter_map(|backend| match backend {
            Backend::Queue(_) => None,
            Backend::Fallback(fallback) => Some(fallback),
        })
    }
}

async fn along(
    backends: Vec<&Backend>,
    mut refusals: Vec<(BackendName, DispatchError)>,
    job: &Job,
    budget: Budget,
    recorder: &Arc<Recorder>,
) -> Result<Answered, DispatchError> {
    for backend in backends {
        match backend.run(job, budget, recorder).await {
            Err(error) if error.was_refused() => {
                tracing::info!(backend = %backend.name(), reason = &error as &dyn std::error::Error, "backend declined the job; trying the next");
                refusals.push((backend.name(), error));
            }
            Err(error) => return Err(DispatchError::after(refusals, backend.name(), error)),
            Ok(reply) => {
                if backend.name() != BackendName::Queue {
                    tracing::info!(backend = %backend.name(), "fallback ran the job");
                }
                return Ok(Answered {
                    reply,
                    backend: backend.name(),
                });
            }
        }
    }
    Err(DispatchError::all_refused(refusals))
}
