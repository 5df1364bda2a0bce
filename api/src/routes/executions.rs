//! `GET /api/executions/{id}`: a recorded execution; with `?wait=N` once it has ended.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::json;
use tokio::time::Instant;
use warren_http::{ApiError, Around, Peer, json_answer};
use warren_protocol::contract::Problem;
use warren_protocol::ids::JobId;

use crate::access::auth::Rooms;
use crate::description::{ErrorAnswer, ExecutionErrors};
use crate::history::follow::Follower;
use crate::history::view::ExecutionResponse;
use crate::state::AppState;

/// The longest that one request waits for an end, because proxies cut connections that are silent
/// for a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

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
        ExecutionErrors<true>,
    )
)]
pub(crate) async fn get(
    State(state): State<Arc<AppState>>,
    rooms: Rooms,
    Extension(peer): Extension<Peer>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let id = job_id(id)?;
    let wait = wait(query.as_deref())?;
    let seen = if wait.is_zero() {
        state.history.see(&rooms, id).await?
    } else {
        let until = Instant::now() + wait;
        Follower::new(Arc::clone(&state.history), rooms.clone(), id)?
            .end(until)
            .await?
    };
    let (history, rooms) = (&state.history, &rooms);
    let again = move || async move { Ok(history.see(rooms, id).await?.read()) };
    let (answers, around) = (&history.answers, Around::default());
    let bytes = answers.of_record(peer, around, seen.read(), again).await?;
    Ok(json_answer(bytes))
}

/// Reads the id in a path.
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

/// Reads how long the query asks to wait.
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
