//! The table `executions`: its schema, and executions as its rows.

use rusqlite::{Connection, OptionalExtension, Row, named_params};
use warren_shared::ids::JobId;
use warren_shared::time::EpochMillis;

use super::super::{End, Execution, Origin};

/// The version of the schema, in the file's `user_version`.
pub(super) const SCHEMA_VERSION: i64 = 2;
/// What makes each version out of the one before it.
pub(super) const VERSIONS: [&str; 2] = [SCHEMA, DUE];
/// Times are milliseconds since the epoch; `result` and `failure` are JSON.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS executions (
        id TEXT PRIMARY KEY,
        room TEXT,
        language TEXT,
        code_sha256 TEXT,
        submitted_at INTEGER,
        recorded_at INTEGER NOT NULL,
        status TEXT NOT NULL,
        result TEXT,
        failure TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS executions_by_room ON executions (room, submitted_at DESC);
";
/// The column is the last one.
const DUE: &str = "ALTER TABLE executions ADD COLUMN due_at INTEGER;";

/// What is written of an execution.
pub(super) struct NewRow {
    id: String,
    origin: Option<Origin>,
    recorded_at: i64,
    status: &'static str,
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
        Ok(Self {
            id: execution.job_id.to_string(),
            origin: execution.origin.clone(),
            recorded_at: to_sql(execution.recorded_at),
            status: execution.end.status(),
            result,
            failure,
        })
    }

    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let origin = self.origin.as_ref();
        let mut statement = connection.prepare_cached(
            "INSERT INTO executions VALUES
                 (:id, :room, :language, :code, :submitted, :recorded, :status, :result, :failure,
                  :due)
             ON CONFLICT (id) DO UPDATE SET
                 room = coalesce(room, excluded.room),
                 language = coalesce(language, excluded.language),
                 code_sha256 = coalesce(code_sha256, excluded.code_sha256),
                 submitted_at = coalesce(submitted_at, excluded.submitted_at),
                 due_at = coalesce(due_at, excluded.due_at),
                 recorded_at = excluded.recorded_at,
                 status = excluded.status,
                 result = excluded.result,
                 failure = excluded.failure
             WHERE executions.status = 'pending' AND excluded.status <> 'pending'",
        )?;
        statement.execute(named_params! {
            ":id": self.id,
            ":room": origin.map(|o| o.room.as_str()),
            ":language": origin.map(|o| o.language.as_str()),
            ":code": origin.map(|o| o.code.as_str()),
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

/// What is read back.
pub(super) struct OldRow {
    room: Option<String>,
    language: Option<String>,
    code: Option<String>,
    submitted_at: Option<i64>,
    recorded_at: i64,
    result: Option<String>,
    failure: Option<String>,
    due_at: Option<i64>,
}

impl OldRow {
    pub(super) fn select(connection: &Connection, job_id: JobId) -> rusqlite::Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT room, language, code_sha256, submitted_at, recorded_at, result, failure,
                    due_at
             FROM executions WHERE id = :id",
        )?;
        let row = |row: &Row<'_>| {
            Ok(Self {
                room: row.get(0)?,
                language: row.get(1)?,
                code: row.get(2)?,
                submitted_at: row.get(3)?,
                recorded_at: row.get(4)?,
                result: row.get(5)?,
                failure: row.get(6)?,
                due_at: row.get(7)?,
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
        let submitted_at = self.submitted_at.map(from_sql);
        Ok(Execution {
            job_id,
            origin: Origin::from_parts(
                self.room,
                self.language,
                submitted_at,
                self.due_at.map(from_sql),
                self.code,
            )?,
            end,
            recorded_at: from_sql(self.recorded_at),
            callback: None,
        })
    }
}

// SQLite's integers are signed; the year 292 million is beyond us.
fn to_sql(time: EpochMillis) -> i64 {
    time.get().try_into().unwrap_or(i64::MAX)
}

fn from_sql(time: i64) -> EpochMillis {
    EpochMillis::from_millis(time.try_into().unwrap_or(0))
}
