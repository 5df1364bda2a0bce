//! The embedded store: one SQLite file in WAL mode, owned by one thread.

mod claims;
mod listing;
mod operation;
mod row;
mod schema;
mod sweep;

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::JobId;

use self::operation::Operation;
use self::row::{NewRow, OldRow};
use self::schema::SCHEMA_VERSION;
use super::{
    Claim, ClaimKey, Claimed, Closed, Execution, Listing, NoAnswer, Page, Retention, STORE_TIMEOUT,
    Store, StoreError,
};
use crate::sync::Lock;

const NAME: &str = "sqlite";
/// How many operations are queued for the database's thread; further ones wait for space.
const PENDING_OPERATIONS: usize = 64;
/// How long another process may hold the file's lock. Below [`STORE_TIMEOUT`], so that SQLite's own
/// error is the one reported.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
/// How long opening waits for other processes that open the file at the same time: one of them
/// creates or migrates it first.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause between attempts to open.
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// A store in a file of this machine.
pub struct SqliteStore {
    // None once closed.
    operations: Lock<Option<mpsc::Sender<Operation>>>,
    // Cancelled when the thread has closed the file.
    closed: CancellationToken,
}

impl SqliteStore {
    /// Opens the file, or creates it (readable by its owner only) together with its directory.
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::TooNew`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_keeping(path, Retention::default()).await
    }

    /// As [`SqliteStore::open`], with a retention of its own.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open_keeping(path: &Path, retention: Retention) -> Result<Self, StoreError> {
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
        tokio::spawn(sweep::sweep(operations.downgrade(), retention));
        Ok(Self {
            operations: Lock::new(Some(operations)),
            closed,
        })
    }

    /// Runs `operation` on the database's thread.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let operations = self
            .sender()
            .clone()
            .ok_or_else(|| StoreError::unavailable(NAME, Closed))?;
        let (answer, answered) = oneshot::channel();
        let job: Operation = Box::new(move |connection| {
            drop(answer.send(operation(connection)));
        });
        let exchange = async {
            let sent = operations.send(job).await;
            sent.map_err(|_gone| StoreError::unavailable(NAME, Closed))?;
            answered
                .await
                .map_err(|_dropped| StoreError::unavailable(NAME, Closed))?
        };
        match tokio::time::timeout(STORE_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_elapsed) => Err(StoreError::unavailable(NAME, NoAnswer)),
        }
    }

    fn sender(&self) -> MutexGuard<'_, Option<mpsc::Sender<Operation>>> {
        self.operations.lock()
    }
}

impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn record<'a>(&'a self, execution: &'a Execution) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let row = NewRow::of(execution).map_err(|error| StoreError::rejected(NAME, error))?;
            self.run(move |connection| row.insert(connection).map_err(from_sqlite))
                .await
        })
    }

    fn find(&self, job_id: JobId) -> BoxFuture<'_, Result<Option<Execution>, StoreError>> {
        Box::pin(async move {
            let row = self
                .run(move |connection| OldRow::select(connection, job_id).map_err(from_sqlite))
                .await?;
            row.map(|row| row.into_execution(job_id))
                .transpose()
                .map_err(|error| StoreError::unreadable(NAME, error))
        })
    }

    fn list<'a>(&'a self, listing: &'a Listing) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let (asked, limit) = (listing.clone(), listing.limit);
            let rows = self
                .run(move |connection| listing::select(connection, &asked).map_err(from_sqlite))
                .await?;
            Page::of(rows, limit).map_err(|error| StoreError::unreadable(NAME, error))
        })
    }

    fn claim<'a>(
        &'a self,
        claim: &'a Claim,
        instead_of: Option<JobId>,
    ) -> BoxFuture<'a, Result<Claimed, StoreError>> {
        Box::pin(async move {
            let ours = claim.clone();
            let row = self
                .run(move |connection| {
                    claims::claim(connection, &ours, instead_of).map_err(from_sqlite)
                })
                .await?;
            let holder = row
                .into_claim(&claim.key)
                .map_err(|error| StoreError::unreadable(NAME, error))?;
            Ok(if holder.job == claim.job {
                Claimed::Won
            } else {
                Claimed::By(Box::new(holder))
            })
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a ClaimKey,
        job: JobId,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let key = key.clone();
            self.run(move |connection| claims::release(connection, &key, job).map_err(from_sqlite))
                .await
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // Reads the file, which `SELECT 1` would not.
            self.run(|connection| {
                connection
                    .query_row("SELECT count(*) FROM sqlite_schema", [], |_row| Ok(()))
                    .map_err(from_sqlite)
            })
            .await
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.sender().take();
            if tokio::time::timeout(STORE_TIMEOUT, self.closed.cancelled())
                .await
                .is_err()
            {
                tracing::warn!("failed to close the database file in time");
            }
        })
    }
}

/// Runs operations one after the other until all senders are dropped.
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
    // SQLite would create it with the umask's permissions; -wal and -shm inherit the file's.
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    options
        .open(path)
        .map_err(|error| cannot_open(path, error))?;

    let connection = Connection::open(path).map_err(|error| cannot_open(path, error))?;
    let found = prepare_in_turn(&connection).map_err(|error| cannot_open(path, error))?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::TooNew {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(connection)
}

/// As [`prepare`], repeated while other processes hold the file. [`BUSY_TIMEOUT`] is not enough,
/// because SQLite does not wait at all when it switches a file to WAL that another process writes:
/// the switch reads first, and two readers that wait to write could wait for each other.
fn prepare_in_turn(connection: &Connection) -> rusqlite::Result<i64> {
    let began = Instant::now();
    loop {
        match prepare(connection) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && began.elapsed() < OPEN_TIMEOUT =>
            {
                std::thread::sleep(OPEN_PAUSE);
            }
            prepared => return prepared,
        }
    }
}

/// Sets the connection up and brings the schema up to date. Returns the version that is there then.
fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        return Ok(found);
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A late reply is acknowledged once it is recorded, so a record must outlast a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::upgrade(connection)
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

fn from_sqlite(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            StoreError::rejected(NAME, error)
        }
        _ => StoreError::unavailable(NAME, error),
    }
}
