//! `warren up`, `api` and `worker`: configuration, tracing, building, serving, draining, in that
//! order.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warren_api::Api;
use warren_http::Drained;
use warren_queue::{ApiQueue, WorkerQueue};
use warren_telemetry::{EXPORT_TIMEOUT, Traces};
use warren_worker::Worker;

use crate::cli;
use crate::compose::{self, Queue, Queues};
use crate::settings::Settings;

/// How long connections may take to close once everything else has stopped.
const CLOSE: Duration = Duration::from_secs(2);

/// How long the last traces may take to be sent.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// What this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// API and worker in one.
    Both,
    /// The REST API.
    Api,
    /// A worker.
    Worker,
}

impl Roles {
    /// Whether this process is an API.
    pub fn api(self) -> bool {
        self != Self::Worker
    }

    /// Whether this process is a worker.
    pub fn worker(self) -> bool {
        self != Self::Api
    }
}

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends the process at once.
///
/// # Errors
/// The configuration cannot be used, an address is taken, or a part failed for good.
pub fn serve(roles: Roles) -> anyhow::Result<ExitCode> {
    let settings = Settings::of(roles)?;
    let traces = traces(roles, &settings)?;
    warren_telemetry::init(settings.environment, traces.as_ref());
    raise_open_files();
    if roles != Roles::Both && settings.rabbitmq_url.is_none() {
        bail!(
            "RABBITMQ_URL is not set, and API and workers meet on that broker; set it, or use `warren up`"
        );
    }
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime cannot be started")?
        .block_on(run(roles, settings));
    if let Some(traces) = traces {
        traces.finish(LAST_TRACES);
    }
    ended.map(|drained| match drained {
        Drained::InOrder => ExitCode::SUCCESS,
        Drained::OutOfTime => ExitCode::from(cli::EXIT_OUT_OF_TIME),
    })
}

/// What sends traces, if they are to be sent.
fn traces(roles: Roles, settings: &Settings) -> anyhow::Result<Option<Traces>> {
    let Some(config) = settings.traces else {
        return Ok(None);
    };
    let client = warren_http::client::blocking_client(EXPORT_TIMEOUT)?;
    let service = match roles {
        Roles::Both => "warren",
        Roles::Api => "warren-api",
        Roles::Worker => "warren-worker",
    };
    let started = Traces::start(config, service, client);
    let advice = "traces cannot be sent; correct or unset OTEL_EXPORTER_OTLP_ENDPOINT";
    started.context(advice).map(Some)
}

/// Shells start programs with a soft limit of 1,024 open files, fewer than the API's connections.
fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

async fn run(roles: Roles, settings: Settings) -> anyhow::Result<Drained> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let queues = Queues::new(roles, &settings)?;

    // The worker outlives the API, whose last callers still wait for it.
    let worker_stop = CancellationToken::new();
    let worker = match &queues.worker {
        Some(queue) => Some(tokio::spawn(
            worker(&settings, queue, worker_stop.clone()).await?,
        )),
        None => None,
    };
    let api = match &queues.api {
        Some(queue) => Some(tokio::spawn(api(&settings, queue, stop.clone()).await?)),
        None => None,
    };

    // Whichever part ends, for whatever reason, ends the other.
    let api = async {
        let result = match api {
            Some(api) => join(api).await,
            None => {
                stop.cancelled().await;
                Ok(Drained::InOrder)
            }
        };
        stop.cancel();
        worker_stop.cancel();
        result
    };
    let worker = async {
        let result = match worker {
            Some(worker) => join(worker).await,
            None => Ok(Drained::InOrder),
        };
        if roles.worker() {
            stop.cancel();
        }
        result
    };
    let (api, worker) = tokio::join!(api, worker);
    queues.close(CLOSE).await;
    tracing::info!("stopped");
    Ok(api?.max(worker?))
}

async fn join(task: JoinHandle<anyhow::Result<Drained>>) -> anyhow::Result<Drained> {
    task.await
        .context("a part of Warren panicked; please report it with the log")?
}

async fn api(
    settings: &Settings,
    queue: &Queue<dyn ApiQueue>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<Drained>> + use<>> {
    let config = settings.api.clone();
    let listener = listen(config.address, "WARREN_API_ADDR").await?;
    let store = compose::store(&config).await?;
    tracing::info!(
        address = %listener.local_addr()?,
        instance = %queue.instance,
        store = store.name(),
        auth = config.auth.is_on(),
        queue = queue.name,
        "the API listens"
    );
    let api = Api::new(
        config,
        Arc::clone(&queue.handle),
        queue.name,
        store,
        settings.languages.clone(),
        queue.instance.clone(),
    )?;
    Ok(async move { Ok(api.serve(listener, stop).await?) })
}

async fn worker(
    settings: &Settings,
    queue: &Queue<dyn WorkerQueue>,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Result<Drained>> + use<>> {
    let config = settings.worker.clone();
    let listener = listen(config.address, "WARREN_WORKER_ADDR").await?;
    let engine = compose::engine(&config, &queue.instance)?;
    tracing::info!(
        address = %listener.local_addr()?,
        instance = %queue.instance,
        slots = config.slots,
        queue = queue.name,
        "the worker listens"
    );
    let queue_handle = (Arc::clone(&queue.handle), queue.name);
    let worker = Worker::new(
        config,
        queue.instance.clone(),
        settings.languages.clone(),
        engine,
        queue_handle,
    );
    Ok(async move { Ok(worker.run(listener, stop).await?) })
}

async fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with {variable}")
    })
}

/// The first signal asks for an orderly end, the second gets an immediate one.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    tokio::spawn(async move {
        for time in 1.. {
            let status = tokio::select! {
                _ = terminate.recv() => cli::EXIT_TERMINATED,
                _ = interrupt.recv() => cli::EXIT_INTERRUPTED,
            };
            if time > 1 {
                tracing::warn!("second signal: stopping at once");
                std::process::exit(status);
            }
            tracing::info!("stopping: no new work is taken, what runs may end");
            stop.cancel();
        }
    });
    Ok(())
}
