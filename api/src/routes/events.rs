//! `GET /api/executions/{id}/events`: a job's progress as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use futures_util::stream;
use tokio::time::{Instant, timeout};
use warren_http::{Answers, ApiError, Around, Peer};

use warren_protocol::ids::JobId;

use crate::access::auth::Rooms;
use crate::description::{ErrorAnswer, ExecutionErrors};
use crate::history::follow::{Follower, Waited};
use crate::history::view::{Seen, Stage};
use crate::routes::executions::job_id;
use crate::state::AppState;

/// The interval of the heartbeats that keep an idle connection alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The longest that one stream lasts. The peer then reconnects, as browsers do by themselves.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// A stream of events under way.
struct EventFeed {
    follower: Follower,
    answers: Answers,
    peer: Peer,
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
    Extension(peer): Extension<Peer>,
    id: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let follower = Follower::new(Arc::clone(&state.history), rooms, job_id(id)?)?;
    let feed = EventFeed {
        next: Some(follower.look().await?),
        follower,
        answers: state.history.answers.clone(),
        peer,
        until: Instant::now() + LONGEST,
        last: None,
    };
    let events = stream::unfold(feed, |mut feed| async {
        let event = match timeout(HEARTBEAT, feed.event()).await {
            Ok(event) => event?,
            Err(_elapsed) => Bytes::from_static(b": here\n\n"),
        };
        Some((Ok::<_, Infallible>(event), feed))
    });
    let media_type = [(CONTENT_TYPE, "text/event-stream")];
    Ok((media_type, Body::from_stream(events)))
}

impl EventFeed {
    /// Returns the next event; `None` after the last.
    async fn event(&mut self) -> Option<Bytes> {
        if self.last == Some(Stage::Finished) {
            return None;
        }
        loop {
            if let Some(seen) = self.next.take()
                && self.last.is_none_or(|last| last != seen.stage())
            {
                let stage = seen.stage();
                let event = self.written(stage, seen).await;
                self.last = Some(stage);
                return event;
            }
            if self.follower.wait(self.until).await == Waited::Over {
                return None;
            }
            self.next = self.follower.look().await.ok();
        }
    }

    /// Writes one event. Written here, since an event of axum's cannot hold the place of its bytes.
    /// `None` ends the stream, and its peer connects again.
    async fn written(&self, stage: Stage, seen: Seen) -> Option<Bytes> {
        // JSON has no line ends, so that it is one line of data.
        let before = format!("event: {0}\nid: {0}\ndata: ", stage.name());
        let around = Around {
            before: &before,
            after: "\n\n",
        };
        let follower = &self.follower;
        let again = move || async move { Ok(follower.look().await?.read()) };
        let bytes = self
            .answers
            .of_record(self.peer, around, seen.read(), again);
        bytes.await.ok()
    }
}
