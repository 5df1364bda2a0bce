//! Deletes expired rows: a few at a time, between other operations.

use std::time::Duration;

use rusqlite::{Connection, named_params};
use tokio::sync::{mpsc, oneshot};
use warren_protocol::time::{EpochMillis, millis};

use super::super::Retention;
use super::operation::Operation;
use super::row::to_sql;

/// How many rows are deleted at once.
const BATCH: u16 = 256;
/// The pause between two batches, which leaves time for other operations.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest interval between two sweeps; it holds for the usual retentions.
const EVERY: Duration = Duration::from_secs(60);
const AT_LEAST: Duration = Duration::from_millis(100);

/// Deletes expired rows until the store is closed.
pub(super) async fn sweep(operations: mpsc::WeakSender<Operation>, retention: Retention) {
    let every = (retention.span() / 10).clamp(AT_LEAST, EVERY);
    loop {
        let (answer, answered) = oneshot::channel();
        let operation: Operation = Box::new(move |connection| {
            drop(answer.send(delete(connection, retention)));
        });
        let Some(operations) = operations.upgrade() else {
            return;
        };
        if operations.send(operation).await.is_err() {
            return;
        }
        drop(operations);
        let pause = match answered.await {
            Ok(Ok(deleted)) if deleted >= usize::from(BATCH) => PAUSE,
            Ok(Ok(_few)) => every,
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot delete expired rows; retrying"
                );
                every
            }
            Err(_closed) => return,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Deletes a batch of each table. Returns the larger of the two counts.
fn delete(connection: &Connection, retention: Retention) -> rusqlite::Result<usize> {
    let now = EpochMillis::now();
    let before = now.get().saturating_sub(millis(retention.span()));
    let executions = "DELETE FROM executions WHERE rowid IN (
        SELECT rowid FROM executions WHERE recorded_at < :before ORDER BY recorded_at LIMIT :batch)";
    let claims = "DELETE FROM claims WHERE rowid IN (
        SELECT rowid FROM claims WHERE lapses_at < :before ORDER BY lapses_at LIMIT :batch)";
    let mut most = 0;
    for (statement, before) in [
        (executions, to_sql(EpochMillis::from_millis(before))),
        (claims, to_sql(now)),
    ] {
        let mut statement = connection.prepare_cached(statement)?;
        let deleted = statement.execute(named_params! { ":before": before, ":batch": BATCH })?;
        most = most.max(deleted);
    }
    Ok(most)
}
