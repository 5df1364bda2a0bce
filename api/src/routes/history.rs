//! `GET /api/rooms/{roomId}/executions`: a room's history, newest first, in pages.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use utoipa::ToSchema;
use warren_http::{ApiError, LONGEST_WAIT, Peer, json_answer};
use warren_languages::LanguageName;
use warren_protocol::contract::{Problem, Refusal};
use warren_protocol::ids::{JobId, RoomId};
use warren_protocol::outcome::Status;
use warren_protocol::time::EpochMillis;

use crate::description::{ErrorAnswer, HistoryUnavailable};
use crate::execution::intake::room_name;
use crate::state::AppState;
use crate::store::{CodeHash, ExecutionStatus, Listing, Page, PageSize, Summary};

/// A page of a room's history.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryResponse {
    /// The executions, newest first.
    executions: Vec<SummaryResponse>,
    /// What to send as `cursor` for the next page, `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One execution in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryResponse {
    job_id: JobId,
    /// The verdict; or `pending`, `failed`, `lost`.
    #[schema(value_type = String, examples("completed"))]
    status: &'static str,
    /// Whether it ran, exited with status 0, and passed every test case.
    success: bool,
    language: LanguageName,
    /// Milliseconds since the epoch, as are all times.
    submitted_at: EpochMillis,
    recorded_at: EpochMillis,
    /// How long it ran, `null` if it did not.
    #[schema(required)]
    duration_ms: Option<f64>,
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    code_sha256: CodeHash,
    /// Where all of it is.
    url: String,
}

/// A room's executions, newest first
#[utoipa::path(
    get,
    path = "/api/rooms/{roomId}/executions",
    tag = "read",
    operation_id = "listExecutions",
    params(
        ("roomId" = RoomId, Path, description = "The room: 1 to 128 letters, digits, `-`, `_`, `.` or `:`, starting with a letter or digit."),
        ("limit" = Option<u32>, Query, description = "How many; 50 unless given.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the page before.", pattern = "^(0|[1-9][0-9]{0,17})[.][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        ("language" = Option<LanguageName>, Query, description = "Only those of this language."),
        ("status" = Option<ExecutionStatus>, Query, description = "Only those of this status."),
    ),
    responses(
        (status = 200, description = "A page of them.", body = HistoryResponse),
        (status = 400, description = "`invalid_parameter`: one of the query's; `invalid_room`.", body = ErrorAnswer),
        HistoryUnavailable,
    )
)]
pub(crate) async fn get(
    State(state): State<Arc<AppState>>,
    room: Result<Path<String>, PathRejection>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let room: RoomId = room_name(room).parse().map_err(Refusal::InvalidRoom)?;
    let listing = parse(room, query.as_deref().unwrap_or_default())?;
    let page = state.store.list(&listing).await;
    let page = page.map_err(|error| state.history.unavailable(&error))?;
    let (page, by) = (HistoryResponse::from(page), Instant::now() + LONGEST_WAIT);
    let bytes = state.history.answers.of(peer, &page, by).await?;
    Ok(json_answer(bytes))
}

impl From<Page> for HistoryResponse {
    fn from(page: Page) -> Self {
        Self {
            executions: page.items.into_iter().map(SummaryResponse::from).collect(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl From<Summary> for SummaryResponse {
    fn from(summary: Summary) -> Self {
        Self {
            job_id: summary.job_id,
            status: summary.status.as_str(),
            success: summary.status == ExecutionStatus::Ran(Status::Completed),
            language: summary.language,
            submitted_at: summary.submitted_at,
            recorded_at: summary.recorded_at,
            duration_ms: summary.duration_ms,
            code_sha256: summary.code,
            url: format!("/api/executions/{}", summary.job_id),
        }
    }
}

/// Parses the query string. Refuses unknown parameters, because a misspelt filter would otherwise
/// be ignored.
fn parse(room: RoomId, query: &str) -> Result<Listing, Problem> {
    let mut listing = Listing::of(room);
    let mut seen = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "language" => listing.language = Some(value_of(&name, &value)?),
            "status" => listing.status = Some(value_of(&name, &value)?),
            "cursor" => listing.after = Some(value_of(&name, &value)?),
            "limit" => {
                let limit = value.parse().ok().and_then(PageSize::new);
                let rule = format!("must be a number from 1 to {}", PageSize::MAX);
                listing.limit = limit.ok_or_else(|| invalid(&name, rule))?;
            }
            _ => {
                return Err(invalid(
                    &name,
                    "is not known here; there are language, status, cursor and limit",
                ));
            }
        }
        if seen.contains(&name) {
            return Err(invalid(&name, "must not be given twice"));
        }
        seen.push(name);
    }
    Ok(listing)
}

fn value_of<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|error: T::Err| invalid(name, error))
}

fn invalid(name: &str, rule: impl Display) -> Problem {
    // Names come from callers, and may be long.
    let name: String = name.chars().take(64).collect();
    Problem::new(
        400,
        "invalid_parameter",
        format!("The query parameter {name:?} {rule}. Correct it, or leave it out."),
    )
    .with_details(json!({ "parameter": name }))
}
