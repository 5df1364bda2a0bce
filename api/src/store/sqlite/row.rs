//! Executions as rows of the table `executions`.

use rusqlite::{Connection, OptionalExtension, Row, named_params};
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

use super::super::{End, Execution, JobOrigin};

/// A row to write.
pub(super) struct NewRow {
    id: String,
    origin: Option<JobOrigin>,
    recorded_at: i64,
    status: &'static str,
    duration_ms: Option<f64>,
    result: Option<String>,
    failure: Option<String>,
}

impl NewRow {
    pub(super) fn of(execution: &Execution) -> serde_json::Result<Self> {
        let (result, failure) = match &execution.end {
            End::Pending => (None, None),
            End::Ran(response) => (Some(serde_json::to_string(response)?), None),
            End::Failed(failure) => (None, Some(serde_json::to_string(failure)?)),
        };
        let duration_ms = match &execution.end {
            End::Ran(response) => Some(response.duration_ms),
            End::Pending | End::Failed(_) => None,
        };
        Ok(Self {
            id: execution.job_id.to_string(),
            origin: execution.origin.clone(),
            recorded_at: to_sql(execution.recorded_at),
            status: execution.end.status(),
            duration_ms,
            result,
            failure,
        })
    }

    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let origin = self.origin.as_ref();
        let mut statement = connection.prepare_cached(
            "INSERT INTO executions VALUES
                 (:id, :room, :language, :code_sha256, :submitted, :due, :recorded, :status,
                  :duration, :result, :failure, :code)
             ON CONFLICT (id) DO UPDATE SET
                 room = coalesce(room, excluded.room),
                 language = coalesce(language, excluded.language),
                 code_sha256 = coalesce(code_sha256, excluded.code_sha256),
                 submitted_at = coalesce(submitted_at, excluded.submitted_at),
                 due_at = coalesce(due_at, excluded.due_at),
                 code = coalesce(code, excluded.code),
                 recorded_at = excluded.recorded_at,
                 duration_ms = excluded.duration_ms,
                 status = excluded.status,
                 result = excluded.result,
                 failure = excluded.failure
             WHERE executions.status = 'pending' AND excluded.status <> 'pending'",
        )?;
        statement.execute(named_params! {
            ":id": self.id,
            ":room": origin.map(|o| o.room.as_str()),
            ":language": origin.map(|o| o.language.as_str()),
            ":code_sha256": origin.map(|o| o.code.as_str()),
            ":code": origin.and_then(|o| o.source.as_ref()),
            ":due": origin.and_then(|o| o.due_at).map(to_sql),
            ":duration": self.duration_ms,
            ":submitted": origin.map(|o| to_sql(o.submitted_at)),
            ":recorded": self.recorded_at,
            ":status": self.status,
            ":result": self.result,
            ":failure": self.failure,
            ":due": origin.and_then(|o| o.due_at).map(to_sql),
        })?;
        Ok(())
    }
}

/// A row that was read.
pub(super) struct OldRow {
    room: Option<String>,
    language: Option<String>,
    code: Option<String>,
    submitted_at: Option<i64>,
    due_at: Option<i64>,
    recorded_at: i64,
    result: Option<String>,
    failure: Option<String>,
    source: Option<String>,
}

impl OldRow {
    pub(super) fn select(connection: &Connection, job_id: JobId) -> rusqlite::Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT room, language, code_sha256, submitted_at, due_at, recorded_at, result,
                    failure, code
             FROM executions WHERE id = :id",
        )?;
        let row = |row: &Row<'_>| {
            Ok(Self {
                room: row.get(0)?,
                language: row.get(1)?,
                code: row.get(2)?,
                submitted_at: row.get(3)?,
                due_at: row.get(4)?,
                recorded_at: row.get(5)?,
                result: row.get(6)?,
                failure: row.get(7)?,
                source: row.get(8)?,
            })
        };
        statement
            .query_row(named_params! { ":id": job_id.to_string() }, row)
            .optional()
    }

    pub(super) fn into_execution(
        self,
        job_id: JobId,
    ) -> Result<Execution, Box<dyn std::error::Error + Send + Sync>> {
        let end = match (self.result, self.failure) {
            (Some(json), _) => End::Ran(serde_json::from_str(&json)?),
            (None, Some(json)) => End::Failed(serde_json::from_str(&json)?),
            (None, None) => End::Pending,
        };
        let origin = JobOrigin::from_parts(
            self.room,
            self.language,
            self.submitted_at.map(from_sql),
            self.due_at.map(from_sql),
            self.code,
        )?;
        let source = self.source;
        Ok(Execution {
            job_id,
            origin: origin.map(|origin| JobOrigin { source, ..origin }),
            end,
            recorded_at: from_sql(self.recorded_at),
            callback: None,
        })
    }
}

// SQLite's integers are signed; the year 292 million is beyond us.
pub(super) fn to_sql(time: EpochMillis) -> i64 {
    time.get().try_into().unwrap_or(i64::MAX)
}

pub(super) fn from_sql(time: i64) -> EpochMillis {
    EpochMillis::from_millis(time.try_into().unwrap_or(0))
}
