//! The worker's own HTTP: `POST /execute` runs a submission here and now, without the queue, and
//! `GET /health` says how the worker is.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use warren_shared::contract::{ExecuteRequest, ExecuteResponse, Problem, Refusal, expect_json};
use warren_shared::health;
use warren_shared::ids::RoomId;
use warren_shared::job::Job;
use warren_shared::languages::{Languages, PolicyMode};
use warren_shared::limits::{Limits, MAX_BODY};
use warren_shared::reply::{FailureCode, JobFailure};
use warren_shared::submission::Submission;
use warren_shared::time::Deadline;

use crate::execute::Executor;
use crate::health::Health;
use crate::slots::Slots;

/// The whole of a caller's wait, as the contract has it.
const WAIT: Duration = Duration::from_secs(5);
/// How long a caller may wait for a slot before it is better off elsewhere.
const SLOT_WAIT: Duration = Duration::from_millis(500);

/// What the handlers share.
pub struct Context {
    /// Runs jobs.
    pub executor: Arc<Executor>,
    /// Bounds how many.
    pub slots: Slots,
    /// Knows what may be run.
    pub languages: Languages,
    /// Whether the patterns are enforced.
    pub policy: PolicyMode,
    /// What a run may use.
    pub limits: Limits,
    /// How the worker is.
    pub health: Health,
}

/// The routes.
pub fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/execute", post(execute))
        .route("/health", get(report))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(context)
        .layer(CatchPanicLayer::custom(|_| {
            Failed(Problem::new(
                500,
                "internal_error",
                "The worker failed. Try again; if it happens again, report it.",
            ))
            .into_response()
        }))
}

async fn execute(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ExecuteResponse>, Failed> {
    let deadline = Deadline::after(WAIT);
    let body =
        match tokio::time::timeout(deadline.remaining(), to_bytes(body, MAX_BODY.as_len())).await {
            Ok(Ok(body)) => body,
            Ok(Err(_over_the_cap)) => return Err(Refusal::BodyTooLarge.into()),
            Err(_elapsed) => {
                return Err(Failed(Problem::new(
                    408,
                    "body_timeout",
                    "The body did not arrive in time. Send it at once.",
                )));
            }
        };
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str);
    // A header that is no text is no media type.
    expect_json(content_type.map(Result::unwrap_or_default))?;
    let request = ExecuteRequest::from_json(&body)?;
    let submission = Submission::parse(request, &context.languages, context.policy)?;
    let slot = context
        .slots
        .take_within(SLOT_WAIT.min(deadline.remaining()))
        .await;
    let _slot = slot.ok_or_else(|| {
        let busy =
            "Every slot of this worker is taken. Try again shortly, or submit through the API.";
        Failed(Problem::new(503, "worker_busy", busy).retry_after(Duration::from_secs(1)))
    })?;
    let job = Job::new(
        RoomId::direct(),
        submission,
        context.limits.clone(),
        deadline,
    );
    let span = tracing::info_span!("job", job.id = %job.id, language = %job.submission.language());
    let outcome = context.executor.execute(&job).instrument(span).await?;
    Ok(Json(ExecuteResponse::new(job.id, &job.submission, outcome)))
}

async fn report(State(context): State<Arc<Context>>) -> (StatusCode, Json<health::HealthReport>) {
    let report = context.health.report().await;
    let status = if report.status == health::State::Down {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(report))
}

async fn unknown_route() -> Failed {
    Failed(Problem::new(
        404,
        "not_found",
        "No such address. A worker has POST /execute and GET /health.",
    ))
}

async fn wrong_method() -> Failed {
    Failed(Problem::new(
        405,
        "method_not_allowed",
        "Not with this method. A worker has POST /execute and GET /health.",
    ))
}

/// An error on its way out.
struct Failed(Problem);

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.into())
    }
}

impl From<JobFailure> for Failed {
    fn from(failure: JobFailure) -> Self {
        Self(match failure.code {
            FailureCode::DeadlinePassed => Problem::new(
                504,
                "timed_out",
                "The job did not finish in time. Try again.",
            ),
            FailureCode::UnsupportedJob => Problem::new(400, "unsupported_job", failure.message),
            FailureCode::SandboxUnavailable => {
                Problem::new(503, "sandbox_unavailable", failure.message)
                    .retry_after(Duration::from_secs(2))
            }
        })
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.0.retry_after_seconds().map(HeaderValue::from);
        let mut response = (status, Json(self.0.body())).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
