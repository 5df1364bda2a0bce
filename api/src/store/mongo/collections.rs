//! Collections of the MongoDB store, and their indexes.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::error::Error as MongoError;
use mongodb::options::IndexOptions;
use mongodb::options::{Acknowledgment, ClientOptions, ConnectionString, WriteConcern};
use mongodb::{Client, Collection, Database, IndexModel};

use super::super::Retention;
use super::codes::code_of;

const EXECUTIONS: &str = "executions";
const CLAIMS: &str = "claims";
/// The database to use if the URI names none.
const DEFAULT_DATABASE: &str = "warren";
/// How long to look for a server that accepts writes, unless the URI says otherwise. The driver's
/// own 30 s would hide an outage from `/api/health` and hold up the recorder.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The index that versions without a history listing had instead of [`by_room`].
const OLD_BY_ROOM: &str = "room_1_submittedAt_-1";
/// MongoDB's code for an index that exists with other options.
const INDEX_OPTIONS_CONFLICT: i32 = 85;

/// The collections of the store.
#[derive(Clone)]
pub(super) struct Collections {
    /// One document for each job.
    pub(super) executions: Collection<Document>,
    /// One document for each key that stands for a job.
    pub(super) claims: Collection<Document>,
}

/// Connects and creates the indexes. Fails while no server can be reached; the next operation
/// retries it.
pub(super) async fn connect(
    uri: ConnectionString,
    retention: Retention,
) -> Result<Collections, MongoError> {
    let mut options = ClientOptions::parse(uri).await?;
    options
        .server_selection_timeout
        .get_or_insert(SERVER_SELECTION_TIMEOUT);
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    options.app_name.get_or_insert_with(|| "warren".to_owned());
    // Overrides the URI: less would lose acknowledged records in a fail-over.
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
    let collections = Collections {
        executions: database.collection(EXECUTIONS),
        claims: database.collection(CLAIMS),
    };
    let executions = &collections.executions;
    executions.create_index(by_room()).await?;
    expire(&database, executions, "recordedAt", retention.span()).await?;
    expire(&database, &collections.claims, "lapsesAt", Duration::ZERO).await?;
    if executions
        .list_index_names()
        .await?
        .iter()
        .any(|name| name == OLD_BY_ROOM)
        && let Err(error) = executions.drop_index(OLD_BY_ROOM).await
    {
        // Another API has dropped it first, or it stays and costs a little.
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "failed to drop an unused index; leaving it"
        );
    }
    Ok(collections)
}

/// Returns an index in the order of a room's history. Its last two keys let filters use the index
/// alone.
fn by_room() -> IndexModel {
    let keys = doc! { "room": 1, "submittedAt": -1, "_id": -1, "language": 1, "status": 1 };
    IndexModel::builder().keys(keys).build()
}

/// Makes MongoDB delete documents `span` after the time in `field`, replacing any earlier setting.
async fn expire(
    database: &Database,
    collection: &Collection<Document>,
    field: &str,
    span: Duration,
) -> Result<(), MongoError> {
    let keys = doc! { field: 1 };
    let options = IndexOptions::builder().expire_after(span).build();
    let index = || {
        let index = IndexModel::builder().keys(keys.clone());
        collection.create_index(index.options(options.clone()).build())
    };
    match index().await {
        Err(error) if code_of(&error) == Some(INDEX_OPTIONS_CONFLICT) => {}
        result => return result.map(drop),
    }
    let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::from(i32::MAX));
    let change = doc! {
        "collMod": collection.name(),
        "index": { "keyPattern": keys.clone(), "expireAfterSeconds": seconds },
    };
    let Err(error) = database.run_command(change).await else {
        return Ok(());
    };
    // A user who may only read and write may still create indexes.
    tracing::info!(
        error = &error as &dyn std::error::Error,
        "cannot change the retention in place; rebuilding its index"
    );
    collection.drop_index(format!("{field}_1")).await?;
    index().await.map(drop)
}
