//! The worker's own HTTP: `POST /execute` past the queue, health, probes and metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::time::Instant;
use tracing::Instrument;
use warren_http::{
    Answers, ApiError, Budget, ForeignPages, LONGEST_WAIT, MAX_WAIT, alive, body, json_answer,
    readiness, refuse_foreign_pages, with_default_responses,
};
use warren_languages::{Languages, PolicyMode};
use warren_protocol::contract::{ExecuteRequest, ExecuteResponse, Problem};
use warren_protocol::health;
use warren_protocol::ids::RoomId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::reply::{FailureCode, JobFailure};
use warren_protocol::submission::Submission;
use warren_queue::JobClass;

use super::access::Access;
use crate::condition::Health;
use crate::metrics::{self, Metrics};
use crate::readiness::ReadinessState;
use crate::run::Executor;
use crate::slots::Slots;

/// The longest wait for a slot: after that, the caller is better off elsewhere.
const SLOT_WAIT: Duration = Duration::from_millis(500);

/// The paths that are asked for by whatever name.
pub(crate) const PROBES: [&str; 4] = ["/health", "/livez", "/readyz", "/metrics"];

/// The advice for a caller that wants the result posted.
const NO_CALLBACKS: &str = "Leave callbackUrl out, or submit through the API.";

/// The state that the handlers share.
pub(crate) struct Context {
    /// The executor of jobs.
    pub(crate) executor: Arc<Executor>,
    /// The bound on concurrent jobs.
    pub(crate) slots: Slots,
    /// The languages that may be run.
    pub(crate) languages: Languages,
    /// The policy on submissions.
    pub(crate) policy: PolicyMode,
    /// The rule for who may send submissions here.
    pub(crate) access: Access,
    /// The rules for requests that browsers send.
    pub(crate) foreign: Arc<ForeignPages>,
    /// The bounds on what is answered.
    pub(crate) answers: Answers,
    /// The limits of a run.
    pub(crate) limits: Limits,
    /// The worker's metrics.
    pub(crate) metrics: Metrics,
    /// The worker's health.
    pub(crate) health: Health,
}

/// Makes the router.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let foreign = Arc::clone(&context.foreign);
    let routes = Router::new()
        .route("/execute", post(execute))
        .route("/health", get(health_report))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(context);
    with_default_responses(
        routes,
        "A worker has POST /execute and GET /health, /livez, /readyz and /metrics.",
    )
    .layer(from_fn_with_state(foreign, refuse_foreign_pages))
}

async fn execute(
    State(context): State<Arc<Context>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, ApiError> {
    let budget = Budget::start(MAX_WAIT);
    let (parts, body) = request.into_parts();
    let admitted = context.access.admit(&parts.headers);
    if let Err(problem) = admitted.and_then(|()| refuse_if_unable(&context)) {
        body::discard(&parts.headers, body, budget.body_by()).await;
        return Err(problem.into());
    }
    let body = body::read_json(&parts.headers, body, budget.body_by()).await?;
    let request = ExecuteRequest::from_json(&body)?.without_callback(NO_CALLBACKS)?;
    let submission = Submission::parse(request, &context.languages, context.policy)?;
    let slot = context
        .slots
        .take_within(SLOT_WAIT.min(budget.left()))
        .await;
    let _slot = slot.ok_or_else(busy)?;
    let deadline = budget.job_deadline();
    let job = Job::new(
        RoomId::direct(),
        submission,
        context.limits.clone(),
        deadline,
    );
    let span = tracing::info_span!("job", job.id = %job.id, language = %job.submission.language(), trace_id = tracing::field::Empty);
    let trace = parts.headers.get("traceparent");
    warren_telemetry::join(&span, trace.and_then(|value| value.to_str().ok()));
    let run = context
        .executor
        .execute(&job, JobClass::Interactive, Some(&context.slots))
        .instrument(span);
    match tokio::time::timeout(budget.left(), run).await {
        Ok(Ok(outcome)) => {
            let answer = ExecuteResponse::new(job.id, &job.submission, outcome);
            let (peer, by) = (peer.ip().into(), Instant::now() + LONGEST_WAIT);
            Ok(json_answer(context.answers.of(peer, &answer, by).await?))
        }
        Ok(Err(failure)) => Err(problem(failure).into()),
        Err(_elapsed) => Err(timed_out().into()),
    }
}

async fn health_report(
    State(context): State<Arc<Context>>,
) -> (StatusCode, Json<health::HealthReport>) {
    let report = context.health.report().await;
    let status = if report.status == health::State::Down {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(report))
}

async fn ready(State(context): State<Arc<Context>>) -> (StatusCode, String) {
    readiness(context.health.unready().await)
}

/// Refuses a submission immediately if this worker could not run it.
fn refuse_if_unable(context: &Context) -> Result<(), Problem> {
    let message = match context.health.readiness.now() {
        ReadinessState::Starting | ReadinessState::Ready => return Ok(()),
        ReadinessState::Suspended(reason) => {
            format!("This worker can run nothing now ({reason}). Try again shortly.")
        }
        ReadinessState::Draining => {
            "This worker is stopping. Try another, or submit through the API.".to_owned()
        }
    };
    let problem = Problem::new(503, "sandbox_unavailable", message);
    Err(problem.retry_after(Duration::from_secs(2)))
}

async fn metrics_text(State(context): State<Arc<Context>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        context.metrics.text(),
    )
}

fn busy() -> Problem {
    let advice =
        "Every slot of this worker is taken. Try again shortly, or submit through the API.";
    Problem::new(503, "worker_busy", advice).retry_after(Duration::from_secs(1))
}

fn timed_out() -> Problem {
    Problem::new(
        504,
        "timed_out",
        "The job did not finish in time. Try again.",
    )
}

fn problem(failure: JobFailure) -> Problem {
    match failure.code {
        FailureCode::DeadlinePassed => timed_out(),
        FailureCode::UnsupportedJob => Problem::new(400, "unsupported_job", failure.message),
        FailureCode::WorkerCrashed => Problem::new(500, "worker_crashed", failure.message),
        // A caller can only cancel these by hanging up.
        FailureCode::Cancelled => Problem::new(503, "cancelled", failure.message),
        FailureCode::SandboxUnavailable => {
            Problem::new(503, "sandbox_unavailable", failure.message)
                .retry_after(Duration::from_secs(2))
        }
    }
}
