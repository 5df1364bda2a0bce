//! Reads recorded executions for callers, within the rooms that they may use.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use warren_http::Answers;
use warren_protocol::contract::Problem;
use warren_protocol::ids::JobId;
use warren_telemetry::Environment;

use super::Recorder;
use super::view::Seen;
use super::watch::Watch;
use crate::access::auth::Rooms;
use crate::store::StoreError;

/// `Retry-After` while the store cannot be read.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Reads recorded executions for callers.
pub(crate) struct HistoryReader {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) watch: Arc<Watch>,
    /// The bounds on what is read and answered.
    pub(crate) answers: Answers,
    /// Cancelled once this API stops.
    pub(crate) draining: CancellationToken,
    /// Whether errors show their causes.
    pub(crate) environment: Environment,
}

impl HistoryReader {
    /// Returns an execution as it is now.
    pub(crate) async fn see(&self, rooms: &Rooms, id: JobId) -> Result<Seen, Problem> {
        let turn = self.answers.turn().await?;
        match self.recorder.find(id).await {
            // An execution in a room that the caller may not use is answered like one that does not
            // exist.
            Ok(Some(execution)) if rooms.cover_that_of(&execution) => {
                let runs = self.watch.runs(id);
                Ok(Seen::new(execution, runs, turn))
            }
            Ok(_) => Err(unknown(id)),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    /// Logs that the store cannot be read, and returns the answer to the caller.
    pub(crate) fn unavailable(&self, error: &StoreError) -> Problem {
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
        match self.environment {
            Environment::Production => problem,
            Environment::Development => {
                let causes =
                    std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
                let causes: Vec<String> = causes.map(ToString::to_string).collect();
                problem.with_details(json!({ "causes": causes }))
            }
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
