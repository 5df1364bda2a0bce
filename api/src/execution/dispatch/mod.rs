//! The ways to get a job run, tried in order, and how each can fail.

mod breaker;
pub(crate) mod config;
mod direct_worker;
mod error;
mod fallback;
mod fault;
pub(crate) mod judge0;
mod queued;
mod retry_after;

use breaker::Standing;
pub(crate) use error::{DispatchError, OVERLOADED, failure_problem};
pub(crate) use fallback::Fallback;

use std::fmt;
use std::sync::Arc;

use warren_outbound::ClientError;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;
use warren_queue::ApiQueue;

use crate::history::Recorder;
use crate::metrics::{Kind, Metrics, Readings};
use config::FallbackConfig;
use direct_worker::Executor;
use judge0::Judge0;
use warren_http::Budget;

/// The ways, in the order in which they are tried.
pub(crate) struct Dispatch {
    ways: Vec<Way>,
}

/// One way to get a job run.
pub(crate) enum Way {
    /// Through the queue, by whichever worker takes it.
    Queue(Arc<dyn ApiQueue>),
    /// By something that is asked directly.
    Fallback(Arc<Fallback>),
}

/// A reply, and which way it came.
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) way: WayName,
}

/// What a way is called, in answers, health and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WayName {
    /// [`Way::Queue`].
    Queue,
    /// `EXECUTOR_URL`.
    Executor,
    /// `JUDGE0_URL`.
    Judge0,
}

impl WayName {
    /// As it stands in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Executor => "executor",
            Self::Judge0 => "judge0",
        }
    }
}

impl fmt::Display for WayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Way {
    fn name(&self) -> WayName {
        match self {
            Self::Queue(_) => WayName::Queue,
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

    /// Whether it has room when this Warren's workers have not. The executor is one of them, and
    /// its slots are promised to jobs that were admitted.
    fn takes_overflow(&self) -> bool {
        match self {
            Self::Fallback(fallback) => {
                fallback.name() == WayName::Judge0 && fallback.is_open_to_jobs()
            }
            Self::Queue(_) => false,
        }
    }
}

impl Dispatch {
    /// The queue, and after it what is configured.
    ///
    /// # Errors
    /// No client can be made for what is configured.
    pub(crate) fn new(
        queue: Arc<dyn ApiQueue>,
        config: FallbackConfig,
    ) -> Result<Self, ClientError> {
        let mut ways = vec![Way::Queue(queue)];
        if let Some(config) = config.executor {
            let executor = Fallback::new(Executor::new(config)?);
            ways.push(Way::Fallback(Arc::new(executor)));
        }
        if let Some(config) = config.judge0 {
            let judge0 = Fallback::new(Judge0::new(config)?);
            ways.push(Way::Fallback(Arc::new(judge0)));
        }
        Ok(Self { ways })
    }

    /// Gets the job run and waits for the reply, within `budget`. A way that has certainly not
    /// taken the job hands it on to the next; if all have refused, the first one's refusal is
    /// told, since that is the one to be mended, and with it what went wrong on the others.
    pub(crate) async fn run(
        &self,
        job: &Job,
        budget: Budget,
        recorder: &Arc<Recorder>,
    ) -> Result<Answered, DispatchError> {
        let ways = self.ways.iter().collect();
        along(ways, Vec::new(), job, budget, recorder).await
    }

    /// Whether a job might be run that this Warren's workers have no time for.
    pub(crate) fn takes_overflow(&self) -> bool {
        self.ways.iter().any(Way::takes_overflow)
    }

    /// Gets a job run that this Warren's workers have no time for.
    pub(crate) async fn overflow(
        &self,
        job: &Job,
        budget: Budget,
        recorder: &Arc<Recorder>,
    ) -> Result<Answered, DispatchError> {
        let ways = self
            .ways
            .iter()
            .filter(|way| way.takes_overflow())
            .collect();
        let refused = vec![(WayName::Queue, DispatchError::Overloaded)];
        along(ways, refused, job, budget, recorder).await
    }

    /// Registers whose breaker is open.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        let dispatch = Arc::clone(self);
        let is_open = move |way| {
            let mut fallbacks = dispatch.fallbacks();
            let found = fallbacks.find(|fallback| fallback.name() == way);
            found.is_some_and(|fallback| matches!(fallback.standing(), Standing::Open { .. }))
        };
        metrics.register_collector(Readings {
            name: "breaker_open",
            help: "1 while this fallback is left alone, since it failed",
            kind: Kind::Gauge,
            label: "way",
            read: move || {
                let ways = [WayName::Executor, WayName::Judge0];
                let open = ways.map(|way| (way.as_str(), u64::from(is_open(way))));
                open.to_vec()
            },
        });
    }

    /// The ways beside the queue, in their order.
    pub(crate) fn fallbacks(&self) -> impl Iterator<Item = &Arc<Fallback>> {
        self.ways.iter().filter_map(|way| match way {
            Way::Queue(_) => None,
            Way::Fallback(fallback) => Some(fallback),
        })
    }
}

async fn along(
    ways: Vec<&Way>,
    mut refusals: Vec<(WayName, DispatchError)>,
    job: &Job,
    budget: Budget,
    recorder: &Arc<Recorder>,
) -> Result<Answered, DispatchError> {
    for way in ways {
        match way.run(job, budget, recorder).await {
            Err(error) if error.was_refused() => {
                tracing::info!(way = %way.name(), reason = &error as &dyn std::error::Error, "a way did not take the job");
                refusals.push((way.name(), error));
            }
            Err(error) => return Err(DispatchError::after(refusals, way.name(), error)),
            Ok(reply) => {
                if way.name() != WayName::Queue {
                    tracing::info!(way = %way.name(), "a fallback ran the job");
                }
                return Ok(Answered {
                    reply,
                    way: way.name(),
                });
            }
        }
    }
    Err(DispatchError::all_refused(refusals))
}
