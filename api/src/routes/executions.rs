//! `GET /api/executions/{id}`: what is recorded of a job.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use warren_shared::contract::{ExecuteResponse, Problem};
use warren_shared::ids::{JobId, RoomId};
use warren_shared::languages::LanguageName;
use warren_shared::telemetry::Environment;
use warren_shared::time::EpochMillis;

use crate::auth::Rooms;
use crate::description::ErrorAnswer;
use crate::state::AppState;
use crate::store::{CodeHash, End, Execution, StoreError};
use warren_http::ApiError;

/// How long after its submission a job without a result is given up: jobs expire with their
/// deadline, and one that was taken in time is long done.
const OVERDUE: Duration = Duration::from_secs(60);
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// One execution as a caller reads it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionResponse {
    /// Whether it ran, exited with status 0, and passed every test case.
    success: bool,
    job_id: JobId,
    /// The verdict; or `pending`, `failed`, `lost`.
    #[schema(value_type = String, examples("completed"))]
    status: &'static str,
    #[schema(required)]
    room_id: Option<RoomId>,
    #[schema(required)]
    language: Option<LanguageName>,
    /// Milliseconds since the epoch, as are all times.
    #[schema(required)]
    submitted_at: Option<EpochMillis>,
    recorded_at: EpochMillis,
    /// The SHA-256 of its code, in hexadecimal.
    #[schema(required, value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    code_sha256: Option<CodeHash>,
    /// What `POST …/execute` answers, if it ran.
    #[schema(required)]
    result: Option<ExecuteResponse>,
    /// Why there is no result.
    #[schema(required, value_type = Option<ErrorSummary>)]
    error: Option<Value>,
}

/// Why an execution has no result.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: the bodies are made as JSON")]
struct ErrorSummary {
    /// What happened, for programs.
    code: String,
    /// What happened and what to do, for people.
    message: String,
}

/// What became of a job
#[utoipa::path(
    get,
    path = "/api/executions/{id}",
    tag = "read",
    operation_id = "getExecution",
    params(("id" = JobId, Path, description = "The `jobId` of an answer.")),
    responses(
        (status = 200, description = "What is recorded of it.", body = ExecutionResponse),
        (status = 400, description = "`invalid_job_id`: not a UUID in its hyphenated form.", body = ErrorAnswer),
        (status = 404, description = "`unknown_execution`: nothing is recorded under this id.", body = ErrorAnswer),
        (status = 503, description = "`store_unavailable`: the history cannot be read now.", body = ErrorAnswer, headers(
            ("Retry-After" = u32, description = "In how many seconds to ask again."),
        )),
    )
)]
pub(crate) async fn get(
    State(state): State<Arc<AppState>>,
    rooms: Rooms,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ExecutionResponse>, ApiError> {
    let id: Option<JobId> = id.ok().and_then(|Path(text)| text.parse().ok());
    let id = id.ok_or_else(|| {
        Problem::new(
            400,
            "invalid_job_id",
            "The job id must be a UUID in its hyphenated form. Use the jobId of an answer.",
        )
    })?;
    match state.store.find(id).await {
        Ok(Some(execution)) if rooms.cover_that_of(&execution) => Ok(Json(execution.into())),
        // Nor is told that there is one in a room which the caller may not use.
        Ok(_) => Err(unknown(id).into()),
        Err(error) => Err(unavailable(&error, state.environment).into()),
    }
}

impl From<Execution> for ExecutionResponse {
    fn from(execution: Execution) -> Self {
        let base = Self {
            success: false,
            job_id: execution.job_id,
            status: execution.end.status(),
            room_id: None,
            language: None,
            submitted_at: None,
            recorded_at: execution.recorded_at,
            code_sha256: None,
            result: None,
            error: None,
        };
        let base = match execution.origin {
            None => base,
            Some(origin) => Self {
                room_id: Some(origin.room),
                language: Some(origin.language),
                submitted_at: Some(origin.submitted_at),
                code_sha256: Some(origin.code),
                ..base
            },
        };
        match execution.end {
            End::Ran(response) => Self {
                success: response.success,
                result: Some(*response),
                ..base
            },
            End::Failed(failure) => Self {
                error: Some(json!({ "code": failure.code, "message": failure.message })),
                ..base
            },
            End::Pending if EpochMillis::now().since(execution.recorded_at) < OVERDUE => base,
            End::Pending => Self {
                status: "lost",
                error: Some(json!({
                    "code": "lost",
                    "message": "No result came: the job expired before a worker took it, or its worker was lost. Send the request again.",
                })),
                ..base
            },
        }
    }
}

fn unknown(id: JobId) -> Problem {
    Problem::new(
        404,
        "unknown_execution",
        "No execution with this id is recorded. If it has just been submitted, ask again in a moment; else check the id.",
    )
    .with_details(json!({ "jobId": id }))
}

fn unavailable(error: &StoreError, environment: Environment) -> Problem {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "cannot read executions"
    );
    let problem = Problem::new(
        503,
        "store_unavailable",
        "The history cannot be read now. Ask again later; if you operate this service, see GET /api/health and check the database.",
    )
    .retry_after(RETRY_AFTER);
    match environment {
        Environment::Production => problem,
        Environment::Development => {
            let causes =
                std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            problem.with_details(json!({ "causes": causes }))
        }
    }
}
