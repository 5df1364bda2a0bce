//! `GET /api/executions/{id}`: what is recorded of a job.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};
use warren_shared::contract::{ExecuteResponse, Problem};
use warren_shared::ids::{JobId, RoomId};
use warren_shared::languages::LanguageName;
use warren_shared::telemetry::Environment;
use warren_shared::time::EpochMillis;

use crate::state::AppState;
use crate::store::{CodeHash, End, Execution, Standing, StoreError};
use warren_http::ApiError;

const RETRY_AFTER: Duration = Duration::from_secs(5);

/// One execution as a caller reads it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionResponse {
    /// Whether it ran, exited with status 0, and passed every test case.
    success: bool,
    job_id: JobId,
    /// The verdict; or `pending`, `failed`, `lost`.
    status: &'static str,
    room_id: Option<RoomId>,
    language: Option<LanguageName>,
    /// Milliseconds since the epoch, as are all times.
    submitted_at: Option<EpochMillis>,
    recorded_at: EpochMillis,
    code_sha256: Option<CodeHash>,
    /// The code itself, if this service keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What `POST …/execute` answers, if it ran.
    result: Option<ExecuteResponse>,
    /// Why there is no result.
    error: Option<Value>,
}

pub(crate) async fn get(
    State(state): State<Arc<AppState>>,
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
    match state.recorder.find(id).await {
        Ok(Some(execution)) => Ok(Json(execution.into())),
        Ok(None) => Err(unknown(id).into()),
        Err(error) => Err(unavailable(&error, state.environment).into()),
    }
}

impl From<Execution> for ExecutionResponse {
    fn from(execution: Execution) -> Self {
        let standing = execution.standing();
        let base = Self {
            success: false,
            job_id: execution.job_id,
            status: standing.as_str(),
            room_id: None,
            language: None,
            submitted_at: None,
            recorded_at: execution.recorded_at,
            code_sha256: None,
            code: None,
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
                code: origin.source,
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
            End::Pending if standing == Standing::Pending => base,
            End::Pending => Self {
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

pub(crate) fn unavailable(error: &StoreError, environment: Environment) -> Problem {
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
