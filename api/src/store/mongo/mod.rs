//! The store for production: MongoDB, written with majority.

mod claims;
mod codes;
mod collections;
mod document;
mod listing;

use std::future::{Future, IntoFuture};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use mongodb::Collection;
use mongodb::bson::{self, Document, doc};
use mongodb::error::{Error as MongoError, ErrorKind};
use mongodb::options::ConnectionString;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::JobId;

use self::codes::{code_of, is_duplicate};
use self::collections::{Collections, connect};
use self::document::Fields;
use super::{
    Claim, ClaimKey, Claimed, Closed, End, Execution, Listing, NoAnswer, Page, Retention,
    STORE_TIMEOUT, Store, StoreError,
};

const NAME: &str = "mongodb";
/// How many operations run at once; further ones wait for a permit. An operation that timed out
/// keeps its permit until the driver ends it, so that a hung server accumulates no tasks.
const MAX_OPERATIONS: usize = 64;
const NEVER_TAKEN: [i32; 3] = [121, 10_334, 17_280];

/// A store in collections of a MongoDB database.
pub struct MongoStore {
    uri: ConnectionString,
    retention: Retention,
    // Connected on first use, so that Warren starts and runs while MongoDB is unavailable.
    collections: Arc<OnceCell<Collections>>,
    operations: Arc<Semaphore>,
    closed: CancellationToken,
}

impl MongoStore {
    /// Creates a store at `uri`, which may name the database (`/warren`) and any driver option.
    /// Does not connect yet.
    ///
    /// # Errors
    /// [`StoreError::InvalidUri`].
    pub fn new(uri: &str) -> Result<Self, StoreError> {
        Ok(Self {
            uri: ConnectionString::parse(uri).map_err(|_quotes_it| StoreError::InvalidUri)?,
            retention: Retention::default(),
            collections: Arc::default(),
            operations: Arc::new(Semaphore::new(MAX_OPERATIONS)),
            closed: CancellationToken::new(),
        })
    }

    /// Sets how long executions are kept.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Runs an operation on the collections, connecting first if need be.
    async fn run<T, F, Fut>(&self, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Collections) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, MongoError>> + Send,
    {
        if self.closed.is_cancelled() {
            return Err(StoreError::unavailable(NAME, Closed));
        }
        let (uri, retention) = (self.uri.clone(), self.retention);
        let cell = Arc::clone(&self.collections);
        let exchange = async {
            let place = Arc::clone(&self.operations).acquire_owned().await;
            let place = place.map_err(|error| StoreError::unavailable(NAME, error))?;
            // A task of its own: the driver's futures must not be dropped half-way.
            let task = tokio::spawn(async move {
                let _place = place;
                let collections = cell.get_or_try_init(|| connect(uri, retention)).await?;
                operation(collections.clone()).await
            });
            task.await
                .map_err(|error| StoreError::unavailable(NAME, error))?
                .map_err(from_mongo)
        };
        match tokio::time::timeout(STORE_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_elapsed) => Err(StoreError::unavailable(NAME, NoAnswer)),
        }
    }
}

impl Store for MongoStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn record<'a>(&'a self, execution: &'a Execution) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let id = execution.job_id.to_string();
            let fields = Fields::from(execution);
            let fields = bson::serialize_to_document(&fields)
                .map_err(|error| StoreError::rejected(NAME, error))?;
            if matches!(execution.end, End::Pending) {
                self.run(|all| insert(all.executions, id, fields)).await
            } else {
                self.run(|all| settle(all.executions, id, fields)).await
            }
        })
    }

    fn find(&self, job_id: JobId) -> BoxFuture<'_, Result<Option<Execution>, StoreError>> {
        Box::pin(async move {
            let id = job_id.to_string();
            let found = self
                .run(|all| async move { all.executions.find_one(doc! { "_id": id }).await })
                .await?;
            let read = |document| -> Result<Execution, Box<dyn std::error::Error + Send + Sync>> {
                bson::deserialize_from_document::<Fields>(document)?.into_execution(job_id)
            };
            found
                .map(read)
                .transpose()
                .map_err(|error| StoreError::unreadable(NAME, error))
        })
    }

    fn list<'a>(&'a self, listing: &'a Listing) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let query = listing::query(listing);
            let rows = self.run(|all| query.run(all.executions)).await?;
            listing::page(rows, listing.limit).map_err(|error| StoreError::unreadable(NAME, error))
        })
    }

    fn claim<'a>(
        &'a self,
        claim: &'a Claim,
        instead_of: Option<JobId>,
    ) -> BoxFuture<'a, Result<Claimed, StoreError>> {
        Box::pin(async move {
            let ours = claim.clone();
            let theirs = self
                .run(move |all| async move { claims::claim(all.claims, &ours, instead_of).await })
                .await?;
            theirs.map_or(Ok(Claimed::Won), |document| {
                let theirs = claims::read(&claim.key, document)
                    .map_err(|error| StoreError::unreadable(NAME, error))?;
                Ok(Claimed::By(Box::new(theirs)))
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
            self.run(move |all| async move { claims::release(all.claims, &key, job).await })
                .await
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // Asks the primary: a secondary accepts no records.
            self.run(|all| async move {
                let database = all.executions.client().database("admin");
                database.run_command(doc! { "ping": 1 }).await.map(drop)
            })
            .await
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.closed.cancel();
            let Some(all) = self.collections.get() else {
                return;
            };
            let shutdown = all.executions.client().clone().shutdown().immediate(true);
            let task = tokio::spawn(shutdown.into_future());
            if tokio::time::timeout(STORE_TIMEOUT, task).await.is_err() {
                tracing::warn!("failed to close the connections to MongoDB in time");
            }
        })
    }
}

/// Inserts a record unless there is one already.
async fn insert(
    executions: Collection<Document>,
    id: String,
    fields: Document,
) -> Result<(), MongoError> {
    let mut document = doc! { "_id": id };
    document.extend(fields);
    match executions.insert_one(document).await {
        Err(error) if is_duplicate(&error) => Ok(()),
        result => result.map(drop),
    }
}

/// Inserts a record, or replaces a pending one.
async fn settle(
    executions: Collection<Document>,
    id: String,
    fields: Document,
) -> Result<(), MongoError> {
    let pending = doc! { "_id": id, "status": End::Pending.status() };
    // $set keeps the fields that only the pending record has.
    let set = doc! { "$set": fields };
    let upsert = executions.update_one(pending.clone(), set.clone());
    match upsert.upsert(true).await {
        // There is a settled record, or a pending one was inserted between our look and our insert.
        // An update without inserting handles both.
        Err(error) if is_duplicate(&error) => executions.update_one(pending, set).await.map(drop),
        result => result.map(drop),
    }
}

fn from_mongo(error: MongoError) -> StoreError {
    let never = code_of(&error).is_some_and(|code| NEVER_TAKEN.contains(&code))
        || matches!(
            error.kind.as_ref(),
            ErrorKind::BsonSerialization(_) | ErrorKind::Bson(_)
        );
    if never {
        StoreError::rejected(NAME, error)
    } else {
        StoreError::unavailable(NAME, error)
    }
}
