//! Query for a page of a room's history.

use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{self, DateTime, Document, doc};
use mongodb::error::Error as MongoError;
use serde::Deserialize;

use super::super::listing::SummaryParts;
use super::super::{ExecutionStatus, Listing, Page, PageSize, STORE_TIMEOUT};
use super::document::{from_bson, to_bson};

/// A query of the collection.
pub(super) struct Query {
    filter: Document,
    limit: i64,
}

/// The part of a document that a summary needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "_id")]
    id: String,
    status: String,
    language: String,
    submitted_at: DateTime,
    due_at: Option<DateTime>,
    recorded_at: DateTime,
    code_sha256: String,
    result: Option<Ran>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ran {
    duration_ms: f64,
}

pub(super) fn query(listing: &Listing) -> Query {
    let mut filter = doc! { "room": listing.room.as_str() };
    let mut all = Vec::new();
    if let Some(after) = listing.after {
        let (time, id) = (to_bson(after.submitted_at), after.job_id.to_string());
        // Redundant, but it bounds the scan of the index.
        filter.insert("submittedAt", doc! { "$lte": time });
        all.push(doc! { "$or": [
            { "submittedAt": { "$lt": time } },
            { "submittedAt": time, "_id": { "$lt": id } },
        ] });
    }
    if let Some(language) = &listing.language {
        filter.insert("language", language.as_str());
    }
    if let Some(status) = listing.status {
        filter.insert("status", status.recorded_as());
        let when = match status {
            ExecutionStatus::Lost => Some("$lt"),
            ExecutionStatus::Pending => Some("$gte"),
            ExecutionStatus::Ran(_) | ExecutionStatus::Failed => None,
        };
        if let Some(when) = when {
            let border = to_bson(Listing::lost_before());
            all.push(doc! { "$or": [
                { "dueAt": { when: border } },
                { "dueAt": null, "recordedAt": { when: border } },
            ] });
        }
    }
    if !all.is_empty() {
        filter.insert("$and", all);
    }
    Query {
        filter,
        limit: listing.limit.and_one().into(),
    }
}

impl Query {
    pub(super) async fn run(
        self,
        executions: Collection<Document>,
    ) -> Result<Vec<Document>, MongoError> {
        let fields = doc! {
            "status": 1, "language": 1, "submittedAt": 1, "dueAt": 1, "recordedAt": 1,
            "codeSha256": 1, "result.durationMs": 1,
        };
        let found = executions
            .find(self.filter)
            .sort(doc! { "submittedAt": -1, "_id": -1 })
            .projection(fields)
            .limit(self.limit)
            .max_time(STORE_TIMEOUT);
        found.await?.try_collect().await
    }
}

pub(super) fn page(
    rows: Vec<Document>,
    limit: PageSize,
) -> Result<Page, Box<dyn std::error::Error + Send + Sync>> {
    let parts = rows.into_iter().map(|document| {
        let row: Row = bson::deserialize_from_document(document)?;
        Ok::<_, bson::error::Error>(SummaryParts {
            job_id: row.id,
            status: row.status,
            language: row.language,
            submitted_at: from_bson(row.submitted_at),
            due_at: row.due_at.map(from_bson),
            recorded_at: from_bson(row.recorded_at),
            duration_ms: row.result.map(|ran| ran.duration_ms),
            code: row.code_sha256,
        })
    });
    Page::of(parts.collect::<Result<_, _>>()?, limit)
}
