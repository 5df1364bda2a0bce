//! Query for a page of a room's history.

use rusqlite::{Connection, named_params};

use super::super::listing::SummaryParts;
use super::super::{ExecutionStatus, Listing};
use super::row::{from_sql, to_sql};

/// Selects up to one row more than fits on a page.
pub(super) fn select(
    connection: &Connection,
    listing: &Listing,
) -> rusqlite::Result<Vec<SummaryParts>> {
    // Pending and lost differ by when they were due. No other status needs a bound.
    let border = to_sql(Listing::lost_before());
    let (lost_before, not_before) = match listing.status {
        Some(ExecutionStatus::Lost) => (Some(border), None),
        Some(ExecutionStatus::Pending) => (None, Some(border)),
        Some(ExecutionStatus::Ran(_) | ExecutionStatus::Failed) | None => (None, None),
    };
    let mut statement = connection.prepare_cached(
        "SELECT id, status, language, submitted_at, due_at, recorded_at, duration_ms, code_sha256
         FROM executions
         WHERE room = :room
           AND submitted_at <= :time AND (submitted_at, id) < (:time, :id)
           AND (:language IS NULL OR language = :language)
           AND (:status IS NULL OR status = :status)
           AND (:lost_before IS NULL OR coalesce(due_at, recorded_at) < :lost_before)
           AND (:not_before IS NULL OR coalesce(due_at, recorded_at) >= :not_before)
         ORDER BY submitted_at DESC, id DESC
         LIMIT :limit",
    )?;
    let after = listing.after;
    let rows = statement.query_map(
        named_params! {
            ":room": listing.room.as_str(),
            // Without a cursor the page begins at the newest.
            ":time": after.map_or(i64::MAX, |after| to_sql(after.submitted_at)),
            ":id": after.map(|after| after.job_id.to_string()).unwrap_or_default(),
            ":language": listing.language.as_ref().map(|language| language.as_str()),
            ":status": listing.status.map(ExecutionStatus::recorded_as),
            ":lost_before": lost_before,
            ":not_before": not_before,
            ":limit": listing.limit.and_one(),
        },
        |row| {
            Ok(SummaryParts {
                job_id: row.get(0)?,
                status: row.get(1)?,
                language: row.get(2)?,
                submitted_at: from_sql(row.get(3)?),
                due_at: row.get::<_, Option<i64>>(4)?.map(from_sql),
                recorded_at: from_sql(row.get(5)?),
                duration_ms: row.get(6)?,
                code: row.get(7)?,
            })
        },
    )?;
    rows.collect()
}
