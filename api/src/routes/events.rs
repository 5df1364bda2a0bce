//! `GET /api/executions/{id}/events`: a job's progress as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, stream};
use tokio::time::Instant;
use warren_http::ApiError;

use warren_protocol::ids::JobId;

use crate::access::auth::Rooms;
use crate::description::{ErrorAnswer, ExecutionErrors};
use crate::history::follow::{Follower, Waited};
use crate::history::view::{ExecutionResponse, Seen, Stage};
use crate::routes::executions::job_id;
use crate::state::AppState;

/// The interval of the heartbeats that keep an idle connection alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The longest that one stream lasts. The peer then reconnects, as browsers do by themselves.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// A stream of events under way.
struct EventFeed {
    follower: Follower,
    until: Instant,
    /// The next event.
    next: Option<Seen>,
    last: Option<Stage>,
}

/// What happens to a job, as it happens
///
/// Server-sent events `queued`, `running` and `finished`, each with the execution as its data; the
/// stream ends after `finished`. A state that lasts only for moments may be left out.
#[utoipa::path(
    get,
    path = "/api/executions/{id}/events",
    tag = "read",
    operation_id = "followExecution",
    params(("id" = JobId, Path, description = "The `jobId` of an answer.")),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        (status = 400, description = "`invalid_job_id`: not a UUID in its hyphenated form.", body = ErrorAnswer),
        ExecutionErrors<true>,
    )
)]
pub(crate) async fn get(
    State(state): State<Arc<AppState>>,
    rooms: Rooms,
    id: Result<Path<String>, PathRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let follower = Follower::new(Arc::clone(&state.history), rooms, job_id(id)?)?;
    let feed = EventFeed {
        next: Some(follower.look().await?),
        follower,
        until: Instant::now() + LONGEST,
        last: None,
    };
    let events = stream::unfold(feed, async |mut feed| {
        let event = feed.event().await?;
        Some((Ok(event), feed))
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("here");
    Ok(Sse::new(events).keep_alive(heartbeat))
}

impl EventFeed {
    /// Returns the next event; `None` after the last.
    async fn event(&mut self) -> Option<Event> {
        if self.last == Some(Stage::Finished) {
            return None;
        }
        loop {
            if let Some(seen) = self.next.take()
                && self.last.is_none_or(|last| last != seen.stage())
            {
                let stage = seen.stage();
                self.last = Some(stage);
                return event(stage, seen);
            }
            if self.follower.wait(self.until).await == Waited::Over {
                return None;
            }
            self.next = self.follower.look().await.ok();
        }
    }
}

fn event(stage: Stage, seen: Seen) -> Option<Event> {
    let event = Event::default().event(stage.name()).id(stage.name());
    event.json_data(ExecutionResponse::from(seen)).ok()
}
