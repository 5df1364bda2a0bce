//! The embedded store: one SQLite file in WAL mode, owned by one thread.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, named_params};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use warren_shared::ids::JobId;
use warren_shared::time::EpochMillis;

use super::{Closed, End, Execution, NoAnswer, Origin, STORE_TIMEOUT, Store, StoreError};

const NAME: &str = "sqlite";
/// How many operations wait for the database's thread; one more waits for a place.
const PENDING_OPERATIONS: usize = 64;
/// How long another process may hold the file's lock. Below [`STORE_TIMEOUT`], so that SQLite's
/// own words are the ones reported.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
/// The version of [`SCHEMA`], in the file's `user_version`.
const SCHEMA_VERSION: i64 = 1;
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
    PRAGMA user_version = 1;
";

type Operation = Box<dyn FnOnce(&Connection) + Send>;

/// Executions in a file of this machine.
pub struct SqliteStore {
    // None once closed.
    operations: Mutex<Option<mpsc::Sender<Operation>>>,
    // Cancelled when the thread has let go of the file.
    closed: CancellationToken,
}

impl SqliteStore {
    /// Opens the file, or makes it (readable by its owner only) together with its directory.
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::TooNew`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let (operations, queue) = mpsc::channel(PENDING_OPERATIONS);
        let (opened, opening) = oneshot::channel();
        let closed = CancellationToken::new();
        let closed_guard = closed.clone().drop_guard();
        let owned_path = path.to_owned();
        std::thread::Builder::new()
            .name("warren-sqlite".to_owned())
            .spawn(move || {
                let _closed = closed_guard;
                match connect(&owned_path) {
                    Ok(connection) => {
                        drop(opened.send(Ok(())));
                        work(&connection, queue);
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            })
            .map_err(|error| cannot_open(path, error))?;
        opening.await.map_err(|died| cannot_open(path, died))??;
        Ok(Self {
            operations: Mutex::new(Some(operations)),
            closed,
        })
    }

    /// Runs `operation` on the database's thread.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let operations = self.sender().clone().ok_or_else(|| unavailable(Closed))?;
        let (answer, answered) = oneshot::channel();
        let job: Operation = Box::new(move |connection| {
            drop(answer.send(operation(connection)));
        });
        let exchange = async {
            let sent = operations.send(job).await;
            sent.map_err(|_gone| unavailable(Closed))?;
            answered.await.map_err(|_dropped| unavailable(Closed))?
        };
        match tokio::time::timeout(STORE_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_elapsed) => Err(unavailable(NoAnswer)),
        }
    }

    fn sender(&self) -> MutexGuard<'_, Option<mpsc::Sender<Operation>>> {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn record(&self, execution: &Execution) -> Result<(), StoreError> {
        let row = NewRow::of(execution)?;
        self.run(move |connection| row.insert(connection).map_err(from_sqlite))
            .await
    }

    async fn find(&self, job_id: JobId) -> Result<Option<Execution>, StoreError> {
        let row = self
            .run(move |connection| OldRow::select(connection, job_id).map_err(from_sqlite))
            .await?;
        row.map(|row| row.into_execution(job_id))
            .transpose()
            .map_err(|source| StoreError::Unreadable {
                store: NAME,
                source,
            })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Reads the file, which `SELECT 1` would not.
        self.run(|connection| {
            connection
                .query_row("SELECT count(*) FROM sqlite_schema", [], |_row| Ok(()))
                .map_err(from_sqlite)
        })
        .await
    }

    async fn close(&self) {
        self.sender().take();
        if tokio::time::timeout(STORE_TIMEOUT, self.closed.cancelled())
            .await
            .is_err()
        {
            tracing::warn!("the database file was not closed in time");
        }
    }
}

/// The thread's life: one operation after the other until all senders are gone.
fn work(connection: &Connection, mut queue: mpsc::Receiver<Operation>) {
    while let Some(operation) = queue.blocking_recv() {
        operation(connection);
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(directory)
            .map_err(|error| cannot_open(path, error))?;
    }
    // SQLite would make the file with the umask's rights; -wal and -shm take after it.
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options
        .open(path)
        .map_err(|error| cannot_open(path, error))?;

    let connection = Connection::open(path).map_err(|error| cannot_open(path, error))?;
    let found = prepare(&connection).map_err(|error| cannot_open(path, error))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(connection)
}

/// Sets the connection up and brings the schema up to date; the version that was found.
fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        return Ok(found);
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode this survives a crash of the process; only a power cut may take the last records.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(SCHEMA)?;
    Ok(found)
}

/// What is written of an execution.
struct NewRow {
    id: String,
    origin: Option<Origin>,
    recorded_at: i64,
    status: &'static str,
    result: Option<String>,
    failure: Option<String>,
}

impl NewRow {
    fn of(execution: &Execution) -> Result<Self, StoreError> {
        let rejected = |error: serde_json::Error| StoreError::Rejected {
            store: NAME,
            source: error.into(),
        };
        let (result, failure) = match &execution.end {
            End::Pending => (None, None),
            End::Ran(response) => (
                Some(serde_json::to_string(response).map_err(rejected)?),
                None,
            ),
            End::Failed(failure) => (
                None,
                Some(serde_json::to_string(failure).map_err(rejected)?),
            ),
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

    fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let origin = self.origin.as_ref();
        let mut statement = connection.prepare_cached(
            "INSERT INTO executions VALUES
                 (:id, :room, :language, :code, :submitted, :recorded, :status, :result, :failure)
             ON CONFLICT (id) DO UPDATE SET
                 room = coalesce(room, excluded.room),
                 language = coalesce(language, excluded.language),
                 code_sha256 = coalesce(code_sha256, excluded.code_sha256),
                 submitted_at = coalesce(submitted_at, excluded.submitted_at),
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
        })?;
        Ok(())
    }
}

/// What is read back.
struct OldRow {
    room: Option<String>,
    language: Option<String>,
    code: Option<String>,
    submitted_at: Option<i64>,
    recorded_at: i64,
    result: Option<String>,
    failure: Option<String>,
}

impl OldRow {
    fn select(connection: &Connection, job_id: JobId) -> rusqlite::Result<Option<Self>> {
        let mut statement = connection.prepare_cached(
            "SELECT room, language, code_sha256, submitted_at, recorded_at, result, failure
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
            })
        };
        statement
            .query_row(named_params! { ":id": job_id.to_string() }, row)
            .optional()
    }

    fn into_execution(
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
            origin: Origin::from_parts(self.room, self.language, submitted_at, self.code)?,
            end,
            recorded_at: from_sql(self.recorded_at),
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

fn cannot_open(
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        source: source.into(),
    }
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable {
        store: NAME,
        source: source.into(),
    }
}

fn from_sqlite(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            StoreError::Rejected {
                store: NAME,
                source: error.into(),
            }
        }
        _ => unavailable(error),
    }
}
