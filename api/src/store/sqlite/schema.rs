//! Schema of the database file, and the migrations between its versions.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The version of the schema, in the file's `user_version`.
pub(super) const SCHEMA_VERSION: i64 = 2;
/// The migration to each version from the one before it.
const VERSIONS: [&str; 2] = [FIRST, HISTORY];

/// Times are milliseconds since the epoch; `result` and `failure` are JSON.
const FIRST: &str = "
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

/// Rebuilds the table so that the long columns come last, because SQLite reads a row's columns in
/// order. The room's index has the columns that its filters need; the other finds expired rows.
const HISTORY: &str = "
    ALTER TABLE executions RENAME TO old_executions;
    CREATE TABLE executions (
        id TEXT PRIMARY KEY,
        room TEXT,
        language TEXT,
        code_sha256 TEXT,
        submitted_at INTEGER,
        due_at INTEGER,
        recorded_at INTEGER NOT NULL,
        status TEXT NOT NULL,
        duration_ms REAL,
        result TEXT,
        failure TEXT,
        code TEXT
    ) STRICT;
    INSERT INTO executions
        SELECT id, room, language, code_sha256, submitted_at, NULL, recorded_at, status,
               result ->> '$.durationMs', result, failure, NULL
        FROM old_executions;
    DROP TABLE old_executions;
    CREATE INDEX executions_by_room
        ON executions (room, submitted_at DESC, id DESC, language, status);
    CREATE INDEX executions_by_age ON executions (recorded_at);
    CREATE TABLE claims (
        key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        job_id TEXT NOT NULL,
        due_at INTEGER NOT NULL,
        lapses_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX claims_by_age ON claims (lapses_at);
";

/// Brings the schema up to date, also while other processes open the file. Returns the version
/// then.
pub(super) fn upgrade(connection: &Connection) -> rusqlite::Result<i64> {
    let change = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let found: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = usize::try_from(found).unwrap_or(VERSIONS.len());
    for step in VERSIONS.iter().skip(known) {
        change.execute_batch(step)?;
    }
    if found < SCHEMA_VERSION {
        change.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    change.commit()?;
    Ok(found.max(SCHEMA_VERSION))
}
