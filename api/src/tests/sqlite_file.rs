//! Tests of the database file: ownership, and faults.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::store::{SqliteStore, Store, StoreError};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn file_and_directory_are_their_owners_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/data/warren.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let files: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(
        files.contains(&path) && files.len() > 1,
        "and its -wal: {files:?}"
    );
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_reported_with_its_path_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let occupied = directory.path().join("a-file");
    std::fs::write(
        &occupied,
        "not a database, and longer than its header would have to be: ".repeat(9),
    )
    .unwrap();
    for path in [
        occupied.join("warren.db"),
        occupied,
        directory.path().to_owned(),
    ] {
        let error = SqliteStore::open(&path).await.err().unwrap();
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()) && text.contains("WARREN_DATA_DIR"));
    }
}

#[tokio::test]
async fn a_later_warrens_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("warren.db");
    let later = rusqlite::Connection::open(&path).unwrap();
    later.pragma_update(None, "user_version", 1_000).unwrap();
    drop(later);
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::TooNew { found: 1_000, .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn an_earlier_warrens_file_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("warren.db");
    let earlier = rusqlite::Connection::open(&path).unwrap();
    let made = earlier.execute_batch(
        "CREATE TABLE executions (
             id TEXT PRIMARY KEY, room TEXT, language TEXT, code_sha256 TEXT, submitted_at INTEGER,
             recorded_at INTEGER NOT NULL, status TEXT NOT NULL, result TEXT, failure TEXT
         ) STRICT;
         INSERT INTO executions VALUES
             ('01890a5d-ac96-774b-bcce-b302099a8057', NULL, NULL, NULL, NULL, 7, 'pending', NULL, NULL);
         PRAGMA user_version = 1;",
    );
    made.unwrap();
    drop(earlier);
    let store = SqliteStore::open(&path).await.unwrap();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let kept = store.find(id).await.unwrap().unwrap();
    assert_eq!(kept.recorded_at.get(), 7);
    // The migrated file accepts new records, and is not migrated twice.
    store.record(&kept).await.unwrap();
    store.close().await;
    SqliteStore::open(&path).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_open_it_all() {
    let directory = tempfile::tempdir().unwrap();
    let path: Arc<Path> = directory.path().join("warren.db").into();
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let path = Arc::clone(&path);
            tokio::spawn(async move { SqliteStore::open(&path).await })
        })
        .collect();
    for opened in opening {
        opened.await.unwrap().unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn opening_waits_for_the_process_that_creates_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("warren.db");
    let first = rusqlite::Connection::open(&path).unwrap();
    first
        .execute_batch("BEGIN IMMEDIATE; CREATE TABLE of_another (id TEXT) STRICT;")
        .unwrap();
    let mut opening = pin!(SqliteStore::open(&path));
    let early = timeout(Duration::from_millis(300), &mut opening).await;
    assert!(early.is_err(), "opened or refused while another one writes");
    first.execute_batch("COMMIT;").unwrap();
    opening.await.unwrap().ping().await.unwrap();
}
