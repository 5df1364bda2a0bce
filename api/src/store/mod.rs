//! Store of executions: the [`Store`] seam and its implementations, MongoDB and SQLite.
//!
//! One conformance suite holds both (`tests/conformance/`). The recorder (`crate::history`) writes
//! to it, so that no caller waits for a write.

mod claim;
mod cursor;
mod execution;
mod listing;
mod mongo;
mod retention;
mod sqlite;
mod status;

pub use claim::{Claim, ClaimKey, Claimed, Fingerprint};
pub use cursor::{Cursor, InvalidCursor};
pub use execution::{CodeHash, End, Execution, JobOrigin, MAX_RECORDED_TEXT};
pub use listing::{Listing, Page, PageSize, Summary};
pub use mongo::MongoStore;
pub use retention::{
    CodeKeeping, DEFAULT_RETENTION_DAYS, DEFAULT_TEXTS_A_DAY, Keeping, MAX_RETENTION_DAYS,
    Retention,
};
pub use sqlite::SqliteStore;
pub use status::{ExecutionStatus, InvalidStatus, OVERDUE};

use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::time::Duration;
use warren_protocol::ids::JobId;

/// How long one operation on a store may take; after that the store counts as unavailable.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// A store that records executions. Every operation ends within [`STORE_TIMEOUT`].
pub trait Store: Send + Sync + 'static {
    /// Returns the store's name in `/api/health`.
    fn name(&self) -> &'static str;

    /// Records an execution durably. The first record of a job stands: a further one changes
    /// nothing, except that any record replaces [`End::Pending`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: retry; it may or may not have been recorded.
    /// [`StoreError::Rejected`]: this execution can never be recorded.
    fn record<'a>(&'a self, execution: &'a Execution) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Returns the record of a job.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Unreadable`] if what is there is not ours.
    fn find(&self, job_id: JobId) -> BoxFuture<'_, Result<Option<Execution>, StoreError>>;

    /// Returns the executions of a room, newest first: by when they were submitted, then by id. An
    /// execution of which only an outcome is known belongs to no room.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], or [`StoreError::Unreadable`] if what is there is not ours.
    fn list<'a>(&'a self, listing: &'a Listing) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// Claims a key for a job, durably. However many claim it, at whatever handles, exactly one
    /// gets it. A claim that has expired is replaced, as is that of the job `instead_of`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may or may not have been claimed. Repeating the same claim
    /// shows which.
    fn claim<'a>(
        &'a self,
        claim: &'a Claim,
        instead_of: Option<JobId>,
    ) -> BoxFuture<'a, Result<Claimed, StoreError>>;

    /// Releases a key, if it is still that job's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may or may not have been released.
    fn release<'a>(
        &'a self,
        key: &'a ClaimKey,
        job: JobId,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Checks that the store answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Releases the store's files and connections. Later operations fail.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// An error of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address of the database cannot be used. Leaves out the driver's message, which may quote
    /// the password in it.
    #[error(
        "MONGODB_URI is not a valid MongoDB address; give one like mongodb://user:password@host:27017/warren"
    )]
    InvalidUri,
    /// The embedded database cannot be opened.
    #[error(
        "the database file {} cannot be opened; check that its directory exists and is writable, or set WARREN_DATA_DIR or MONGODB_URI",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The embedded database was written by a later Warren.
    #[error(
        "the database file {} has schema {found}, this Warren knows up to {known}; run the newer Warren or set WARREN_DATA_DIR to another directory",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest that this build knows.
        known: i64,
    },
    /// The store cannot be used now; a retry may succeed.
    #[error("{store} cannot be reached or did not answer in time")]
    Unavailable {
        /// The store's name.
        store: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store will never accept this record.
    #[error("{store} refuses the record")]
    Rejected {
        /// The store's name.
        store: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is recorded cannot be read back.
    #[error("{store} holds a record that this Warren cannot read")]
    Unreadable {
        /// The store's name.
        store: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    fn unavailable(store: &'static str, source: impl Into<Cause>) -> Self {
        let source = source.into();
        Self::Unavailable { store, source }
    }

    fn rejected(store: &'static str, source: impl Into<Cause>) -> Self {
        let source = source.into();
        Self::Rejected { store, source }
    }

    fn unreadable(store: &'static str, source: impl Into<Cause>) -> Self {
        let source = source.into();
        Self::Unreadable { store, source }
    }
}

/// The operation did not end within [`STORE_TIMEOUT`].
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", STORE_TIMEOUT.as_secs())]
struct NoAnswer;

/// The store was closed.
#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
struct Closed;
