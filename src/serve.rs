//! `warren up`, `api` and `worker`: configures, traces, builds, serves, drains.

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

use crate::compose::{self, Queue, Queues};
use crate::exit;
use crate::greeting::Greeting;
use crate::roles::Roles;
use crate::settings::Settings;

/// The longest that connections may take to close once everything else has stopped.
const CLOSE: Duration = Duration::from_secs(2);

/// The longest that sending the last traces may take.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends the process at once.
///
/// The configuration is not usable, an address is in use, or a part failed permanently.
pub fn serve(roles: Roles) -> anyhow::Result<ExitCode> {
    let settings = Settings::of(roles)?;
    let traces = traces(roles, &settings)?;
    warren_telemetry::init(settings.environment, traces.as_ref());
    raise_open_files();
    if roles != Roles::Both && settings.rabbitmq_url.is_none() {
        bail!(
            "RABBITMQ_URL is not set, but API and workers communicate through that broker; set it, or use `warren up`"
        );
    }
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(run(roles, settings));
    if let Some(traces) = traces {
        traces.finish(LAST_TRACES);
    }
    ended.map(|drained| match drained {
        Drained::InOrder => ExitCode::SUCCESS,
        Drained::OutOfTime => ExitCode::from(exit::EXIT_OUT_OF_TIME),
    })
}

/// Starts the sender of traces, if they are to be sent.
fn traces(roles: Roles, settings: &Settings) -> anyhow::Result<Option<Traces>> {
    let Some(config) = settings.traces else {
        return Ok(None);
    };
    let client = warren_outbound::blocking_client(EXPORT_TIMEOUT)?;
    let service = match roles {
        Roles::Both => "warren",
        Roles::Api => "warren-api",
        Roles::Worker => "warren-worker",
    };
    let started = Traces::start(config, service, client);
    let advice = "cannot send traces; correct or unset OTEL_EXPORTER_OTLP_ENDPOINT";
    started.context(advice).map(Some)
}

/// Raises the soft limit of open files, which is 1,024 in most shells and below the API's number of
/// connections.
fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files; continuing with the present one");
    }
}

async fn run(roles: Roles, settings: Settings) -> anyhow::Result<Drained> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let queues = Queues::new(roles, &settings)?;

    // The worker outlives the API, because the API's last callers still wait for it.
    let worker_stop = CancellationToken::new();
    let worker = match &queues.worker {
        Some(queue) => Some(tokio::spawn(
            worker(&settings, queue, worker_stop.clone()).await?,
        )),
        None => None,
    };
    let api = match &queues.api {
        Some(queue) => Some(tokio::spawn(
            api(roles, &settings, queue, stop.clone()).await?,
        )),
        None => None,
    };

    // If either part ends, for whatever reason, the other ends too.
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
        .context("part of Warren panicked; please report it with the log")?
}

async fn api(
    roles: Roles,
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
    if roles == Roles::Both {
        let greeting = Greeting {
            api: listener.local_addr()?,
            auth: config.auth.is_on(),
            rabbitmq_url: settings.rabbitmq_url.clone(),
        };
        tokio::spawn(greeting.once_ready(stop.clone()));
    }
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
        engine = engine.name().as_str(),
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

/// Stops in order at the first signal, and at once at the second.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
    tokio::spawn(async move {
        for time in 1.. {
            let status = tokio::select! {
                _ = terminate.recv() => exit::EXIT_TERMINATED,
                _ = interrupt.recv() => exit::EXIT_INTERRUPTED,
            };
            if time > 1 {
                tracing::warn!("second signal; exiting immediately");
                std::process::exit(status);
            }
            tracing::info!("stopping; taking no new work and finishing what runs");
            stop.cancel();
        }
    });
    Ok(())
}
