//! The store for production: MongoDB, written with majority.

mod document;

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::{self, Document, doc};
use mongodb::error::{Error as MongoError, ErrorKind, WriteFailure};
use mongodb::options::{Acknowledgment, ClientOptions, ConnectionString, WriteConcern};
use mongodb::{Client, Collection, IndexModel};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use warren_shared::ids::JobId;

use self::document::Fields;
use super::{Closed, End, Execution, NoAnswer, STORE_TIMEOUT, Store, StoreError};

const NAME: &str = "mongodb";
const COLLECTION: &str = "executions";
/// Where executions are kept if the URI names no database.
const DEFAULT_DATABASE: &str = "warren";
/// How long to look for a server that takes writes, unless the URI says otherwise. The driver's
/// own 30 s would hide an outage from `/api/health` and hold the recorder.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How many operations are under way at once; one more waits for a place. An operation that timed
/// out keeps its place until the driver lets go of it, so that a hung server gathers no tasks.
const MAX_OPERATIONS: usize = 64;
/// MongoDB's codes for a unique index violated, and for documents that are too large or that the
/// collection's validator refuses: no second try will change these.
const DUPLICATE_KEY: i32 = 11_000;
const NEVER_TAKEN: [i32; 3] = [121, 10_334, 17_280];

/// Executions in the collection `executions` of a MongoDB database.
pub struct MongoStore {
    uri: ConnectionString,
    // Made on first use: Warren starts, and runs on, while MongoDB is away.
    executions: Arc<OnceCell<Collection<Document>>>,
    operations: Arc<Semaphore>,
    closed: CancellationToken,
}

impl MongoStore {
    /// A store at `uri`, which may name the database (`/warren`) and any driver option. Does not
    /// connect yet.
    ///
    /// # Errors
    /// [`StoreError::InvalidUri`].
    pub fn new(uri: &str) -> Result<Self, StoreError> {
        Ok(Self {
            uri: ConnectionString::parse(uri).map_err(|_quotes_it| StoreError::InvalidUri)?,
            executions: Arc::default(),
            operations: Arc::new(Semaphore::new(MAX_OPERATIONS)),
            closed: CancellationToken::new(),
        })
    }

    /// Runs an operation on the collection, connecting first if need be.
    async fn run<T, F, Fut>(&self, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Collection<Document>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, MongoError>> + Send,
    {
        if self.closed.is_cancelled() {
            return Err(unavailable(Closed));
        }
        let (uri, cell) = (self.uri.clone(), Arc::clone(&self.executions));
        let exchange = async {
            let place = Arc::clone(&self.operations).acquire_owned().await;
            let place = place.map_err(unavailable)?;
            // A task of its own: the driver's futures must not be dropped half-way.
            let task = tokio::spawn(async move {
                let _place = place;
                let executions = cell.get_or_try_init(|| connect(uri)).await?;
                operation(executions.clone()).await
            });
            task.await.map_err(unavailable)?.map_err(from_mongo)
        };
        match tokio::time::timeout(STORE_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_elapsed) => Err(unavailable(NoAnswer)),
        }
    }
}

#[async_trait]
impl Store for MongoStore {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn record(&self, execution: &Execution) -> Result<(), StoreError> {
        let id = execution.job_id.to_string();
        let fields = Fields::from(execution);
        let fields =
            bson::serialize_to_document(&fields).map_err(|error| StoreError::Rejected {
                store: NAME,
                source: error.into(),
            })?;
        if matches!(execution.end, End::Pending) {
            self.run(|executions| insert(executions, id, fields)).await
        } else {
            self.run(|executions| settle(executions, id, fields)).await
        }
    }

    async fn find(&self, job_id: JobId) -> Result<Option<Execution>, StoreError> {
        let id = job_id.to_string();
        let found = self
            .run(|executions| async move { executions.find_one(doc! { "_id": id }).await })
            .await?;
        let read = |document| -> Result<Execution, Box<dyn std::error::Error + Send + Sync>> {
            bson::deserialize_from_document::<Fields>(document)?.into_execution(job_id)
        };
        found
            .map(read)
            .transpose()
            .map_err(|source| StoreError::Unreadable {
                store: NAME,
                source,
            })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // The primary's sign of life: a secondary takes no records.
        self.run(|executions| async move {
            let database = executions.client().database("admin");
            database.run_command(doc! { "ping": 1 }).await.map(drop)
        })
        .await
    }

    async fn close(&self) {
        self.closed.cancel();
        let Some(executions) = self.executions.get() else {
            return;
        };
        let shutdown = executions.client().clone().shutdown().immediate(true);
        let task = tokio::spawn(shutdown.into_future());
        if tokio::time::timeout(STORE_TIMEOUT, task).await.is_err() {
            tracing::warn!("the connections to MongoDB were not closed in time");
        }
    }
}

/// Connects and sees to the indexes. Fails while no server can be reached, and is then tried anew
/// by the next operation.
async fn connect(uri: ConnectionString) -> Result<Collection<Document>, MongoError> {
    let mut options = ClientOptions::parse(uri).await?;
    options
        .server_selection_timeout
        .get_or_insert(SERVER_SELECTION_TIMEOUT);
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    options.app_name.get_or_insert_with(|| "warren".to_owned());
    // Whatever the URI says: less would lose acknowledged records in a fail-over.
    options.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build(),
    );
    options
        .default_database
        .get_or_insert_with(|| DEFAULT_DATABASE.to_owned());
    let client = Client::with_options(options)?;
    let database = client
        .default_database()
        .unwrap_or_else(|| client.database(DEFAULT_DATABASE));
    let executions = database.collection(COLLECTION);
    let by_room = IndexModel::builder()
        .keys(doc! { "room": 1, "submittedAt": -1 })
        .build();
    executions.create_index(by_room).await?;
    Ok(executions)
}

/// Inserts unless there is a record already.
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

/// Inserts, or takes the place of a pending record.
async fn settle(
    executions: Collection<Document>,
    id: String,
    fields: Document,
) -> Result<(), MongoError> {
    let pending = doc! { "_id": id, "status": End::Pending.status() };
    // $set leaves what only the pending record knew.
    let set = doc! { "$set": fields };
    let upsert = executions.update_one(pending.clone(), set.clone());
    match upsert.upsert(true).await {
        // There is a settled record, or a pending one came between our look and our insert: once
        // more without inserting tells.
        Err(error) if is_duplicate(&error) => executions.update_one(pending, set).await.map(drop),
        result => result.map(drop),
    }
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable {
        store: NAME,
        source: source.into(),
    }
}

fn code_of(error: &MongoError) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}

fn is_duplicate(error: &MongoError) -> bool {
    code_of(error) == Some(DUPLICATE_KEY)
}

fn from_mongo(error: MongoError) -> StoreError {
    let never = code_of(&error).is_some_and(|code| NEVER_TAKEN.contains(&code))
        || matches!(
            error.kind.as_ref(),
            ErrorKind::BsonSerialization(_) | ErrorKind::Bson(_)
        );
    if never {
        StoreError::Rejected {
            store: NAME,
            source: error.into(),
        }
    } else {
        unavailable(error)
    }
}
