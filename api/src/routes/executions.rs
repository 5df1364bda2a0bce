//! `GET /api/executions/{id}`: what is recorded of a job; with `?wait=N` as soon as it has ended.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use utoipa::ToSchema;
use warren_languages::LanguageName;
use warren_protocol::contract::{ExecuteResponse, Problem};
use warren_protocol::ids::{JobId, RoomId};
use warren_protocol::time::EpochMillis;
use warren_telemetry::Environment;

use crate::access::auth::Rooms;
use crate::description::ErrorAnswer;
use crate::history::follow::Follower;
use crate::state::AppState;
use crate::store::{CodeHash, End, Execution, Standing, StoreError};
use warren_http::ApiError;

const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest that one request waits for an end: proxies cut what is silent for a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
    /// How far it is, whatever comes of it.
    state: Stage,
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
    /// The code itself, if this service keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
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

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It waits for a worker.
    Queued,
    /// A worker has begun it.
    Running,
    /// There is a result, or there will be none.
    Finished,
}

impl Stage {
    /// As callers read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

/// What is recorded of a job, and whether it was heard to run.
pub(crate) struct Seen {
    pub(crate) execution: Execution,
    runs: bool,
}

impl Seen {
    /// How far it is.
    pub(crate) fn stage(&self) -> Stage {
        if self.has_ended() {
            Stage::Finished
        } else if self.runs {
            Stage::Running
        } else {
            Stage::Queued
        }
    }

    /// Whether nothing more will come of it.
    pub(crate) fn has_ended(&self) -> bool {
        self.execution.standing() != Standing::Pending
    }
}

/// What became of a job
#[utoipa::path(
    get,
    path = "/api/executions/{id}",
    tag = "read",
    operation_id = "getExecution",
    params(
        ("id" = JobId, Path, description = "The `jobId` of an answer."),
        ("wait" = Option<u32>, Query, description = "Answer when the job has ended, or after so many seconds.", minimum = 0, maximum = 60),
    ),
    responses(
        (status = 200, description = "What is recorded of it.", body = ExecutionResponse),
        (status = 400, description = "`invalid_job_id`: not a UUID in its hyphenated form; `invalid_wait`.", body = ErrorAnswer),
        (status = 404, description = "`unknown_execution`: nothing is recorded under this id.", body = ErrorAnswer),
        (status = 503, description = "`store_unavailable`: the history cannot be read now; `too_many_waiting`: as many wait as may.", body = ErrorAnswer, headers(
            ("Retry-After" = u32, description = "In how many seconds to ask again."),
        )),
    )
)]
pub(crate) async fn get(
    State(state): State<Arc<AppState>>,
    rooms: Rooms,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<ExecutionResponse>, ApiError> {
    let id = job_id(id)?;
    let wait = wait(query.as_deref())?;
    let seen = if wait.is_zero() {
        see(&state, &rooms, id).await?
    } else {
        let until = Instant::now() + wait;
        Follower::of(&state, rooms, id)?.end(until).await?
    };
    Ok(Json(seen.into()))
}

/// The id in a path.
pub(crate) fn job_id(id: Result<Path<String>, PathRejection>) -> Result<JobId, ApiError> {
    let id: Option<JobId> = id.ok().and_then(|Path(text)| text.parse().ok());
    id.ok_or_else(|| {
        Problem::new(
            400,
            "invalid_job_id",
            "The job id must be a UUID in its hyphenated form. Use the jobId of an answer.",
        )
        .into()
    })
}

/// How long the query asks to wait.
fn wait(query: Option<&str>) -> Result<Duration, ApiError> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, given)) = pairs.find(|(name, _)| name == "wait") else {
        return Ok(Duration::ZERO);
    };
    let seconds = given.parse().ok().map(Duration::from_secs);
    seconds.filter(|wait| *wait <= LONGEST_WAIT).ok_or_else(|| {
        let most = LONGEST_WAIT.as_secs();
        let message = format!(
            "The wait is a whole number of seconds from 0 to {most}. Ask again when it is over."
        );
        let problem = Problem::new(400, "invalid_wait", message);
        problem.with_details(json!({ "limitSeconds": most })).into()
    })
}

/// An execution as it is now.
pub(crate) async fn see(state: &AppState, rooms: &Rooms, id: JobId) -> Result<Seen, ApiError> {
    match state.recorder.find(id).await {
        // Nor is told that there is one in a room which the caller may not use.
        Ok(Some(execution)) if rooms.cover_that_of(&execution) => Ok(Seen {
            runs: state.watch.runs(id),
            execution,
        }),
        Ok(_) => Err(unknown(id).into()),
        Err(error) => Err(unavailable(&error, state.environment).into()),
    }
}

impl From<Seen> for ExecutionResponse {
    fn from(seen: Seen) -> Self {
        let state = seen.stage();
        Self {
            state,
            ..seen.execution.into()
        }
    }
}

impl From<Execution> for ExecutionResponse {
    fn from(execution: Execution) -> Self {
        let standing = execution.standing();
        let base = Self {
            success: false,
            state: match standing {
                Standing::Pending => Stage::Queued,
                _ => Stage::Finished,
            },
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

/// That nothing can be read now.
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
