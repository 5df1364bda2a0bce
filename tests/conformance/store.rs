//! The promises of every store, held against the SQLite file and a real MongoDB.

mod allowance;
mod claims;
mod listing;
mod outage;
mod retention;
mod sample;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use warren_api::history::Recorder;
use warren_api::store::{
    CodeKeeping, End, Execution, MAX_RECORDED_TEXT, MongoStore, Retention, SqliteStore, Store,
    StoreError,
};
use warren_protocol::clip::json_len;
use warren_protocol::ids::JobId;
use warren_protocol::reply::Reply;

use crate::harness::mongo::Database;
use crate::harness::wait::SOON;
use allowance::{
    a_caller_beyond_its_share_of_the_day_is_recorded_without_texts,
    hidden_cases_are_recorded_as_verdicts,
};
use claims::{
    a_claim_stands_until_it_is_released_replaced_or_lapses,
    one_of_many_claimants_wins_whichever_handle_they_use,
};
use listing::{
    filters_select_languages_and_standings, pages_stay_where_they_are_while_executions_come_in,
    the_newest_comes_first_and_every_page_follows_the_last,
};
use retention::{old_executions_are_deleted_and_others_stay, the_retention_can_be_changed};
use sample::{CODE, failed, job, outcome, ran};

/// Makes each property one test for each store.
macro_rules! conformance {
    ($($property:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $property() {
                super::on_sqlite(super::$property).await;
            })+
        }
        mod mongo {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $property() {
                super::on_mongodb(super::$property).await;
            })+
        }
    };
}

conformance!(
    what_is_recorded_is_found,
    what_is_not_recorded_is_not_found,
    the_first_record_of_a_job_stands,
    any_record_replaces_a_pending_one,
    pending_replaces_nothing,
    the_content_of_the_pending_record_is_kept,
    racing_records_leave_one_complete_record,
    every_text_survives,
    the_largest_execution_is_recorded,
    a_store_answers_until_it_is_closed,
    two_handles_see_the_same,
    a_recorder_writes_everything_before_it_ends,
    executions_that_a_recorder_holds_can_be_read,
    the_newest_comes_first_and_every_page_follows_the_last,
    pages_stay_where_they_are_while_executions_come_in,
    filters_select_languages_and_standings,
    one_of_many_claimants_wins_whichever_handle_they_use,
    a_claim_stands_until_it_is_released_replaced_or_lapses,
    old_executions_are_deleted_and_others_stay,
    the_retention_can_be_changed,
    hidden_cases_are_recorded_as_verdicts,
    a_caller_beyond_its_share_of_the_day_is_recorded_without_texts,
);

async fn on_sqlite<Fut: Future<Output = ()>>(property: impl FnOnce(Opener) -> Fut) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    property(Opener::Sqlite(directory.path().join("warren.db"))).await;
}

async fn on_mongodb<Fut: Future<Output = ()>>(property: impl FnOnce(Opener) -> Fut) {
    Database::with(|database| property(Opener::Mongo(database.uri()))).await;
}

/// An opener of one and the same store, once or several times.
#[derive(Clone)]
enum Opener {
    Sqlite(std::path::PathBuf),
    Mongo(String),
}

impl Opener {
    async fn open(&self) -> Arc<dyn Store> {
        self.open_keeping(Retention::default()).await
    }

    async fn open_keeping(&self, retention: Retention) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(path) => {
                let store = SqliteStore::open_keeping(path, retention).await;
                Arc::new(store.expect("the file opens"))
            }
            Self::Mongo(uri) => {
                let store = MongoStore::new(uri).expect("the address is valid");
                Arc::new(store.keeping(retention))
            }
        }
    }
}

async fn record(store: &dyn Store, execution: &Execution) {
    store.record(execution).await.expect("it is recorded");
}

async fn find(store: &dyn Store, id: JobId) -> Execution {
    let found = store.find(id).await.expect("the store answers");
    found.expect("the execution is there")
}

async fn what_is_recorded_is_found(store: Opener) {
    let store = store.open().await;
    let (a, b, c) = (job(), job(), job());
    let executions = [
        ran(&a, "hello\n"),
        failed(&b),
        Execution::of(&c, End::Pending),
    ];
    for execution in &executions {
        record(store.as_ref(), execution).await;
    }
    for execution in &executions {
        assert_eq!(&find(store.as_ref(), execution.job_id).await, execution);
    }
}

async fn what_is_not_recorded_is_not_found(store: Opener) {
    let store = store.open().await;
    record(store.as_ref(), &failed(&job())).await;
    assert_eq!(store.find(JobId::new()).await.expect("it answers"), None);
}

async fn the_first_record_of_a_job_stands(store: Opener) {
    let store = store.open().await;
    let job = job();
    let first = ran(&job, "first\n");
    for later in [first.clone(), ran(&job, "second\n"), failed(&job)] {
        record(store.as_ref(), &first).await;
        record(store.as_ref(), &later).await;
        assert_eq!(find(store.as_ref(), job.id).await, first);
    }
}

async fn any_record_replaces_a_pending_one(store: Opener) {
    let store = store.open().await;
    let (one, other) = (job(), job());
    for settled in [ran(&one, "late\n"), failed(&other)] {
        let pending = Execution {
            end: End::Pending,
            ..settled.clone()
        };
        record(store.as_ref(), &pending).await;
        record(store.as_ref(), &settled).await;
        assert_eq!(find(store.as_ref(), settled.job_id).await, settled);
    }
}

async fn pending_replaces_nothing(store: Opener) {
    let store = store.open().await;
    let job = job();
    let settled = ran(&job, "done\n");
    record(store.as_ref(), &settled).await;
    record(store.as_ref(), &Execution::of(&job, End::Pending)).await;
    assert_eq!(find(store.as_ref(), job.id).await, settled);

    let job = self::job();
    let pending = Execution::of(&job, End::Pending);
    record(store.as_ref(), &pending).await;
    record(store.as_ref(), &pending).await;
    assert_eq!(find(store.as_ref(), job.id).await, pending);
}

async fn the_content_of_the_pending_record_is_kept(store: Opener) {
    let store = store.open().await;
    let job = job();
    let pending = Execution::of(&job, End::Pending);
    record(store.as_ref(), &pending).await;
    // A worker that could not read the job sends no job.
    let blind = Execution::of_unclaimed(Reply::new(job.id, Ok(outcome("late\n"))));
    assert_eq!(blind.origin, None);
    record(store.as_ref(), &blind).await;
    let found = find(store.as_ref(), job.id).await;
    assert_eq!(found.origin, pending.origin);
    assert_eq!(found.end, blind.end);
}

async fn racing_records_leave_one_complete_record(store: Opener) {
    let store = store.open().await;
    // Few enough racers that they meet within one round trip, and many races.
    for _ in 0..300 {
        let job = job();
        let settled = [ran(&job, "one\n"), failed(&job)];
        let pending = Execution::of(&job, End::Pending);
        let racers: Vec<_> = [&pending, &settled[0], &settled[1]]
            .map(Clone::clone)
            .into_iter()
            .map(|execution| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.record(&execution).await })
            })
            .collect();
        for racer in racers {
            racer.await.expect("no panic").expect("it is recorded");
        }
        let found = find(store.as_ref(), job.id).await;
        assert!(
            settled.iter().any(|s| s.end == found.end),
            "a settled record must win, and whole: {}",
            found.end.status()
        );
    }
}

async fn every_text_survives(store: Opener) {
    let store = store.open().await;
    let texts = [
        "",
        "\0",
        "a\0b\r\n",
        "\u{fffd}\u{10ffff}",
        "ünï\u{1f407}",
        "$set.{}'\"\\ --",
    ];
    for text in texts {
        let job = job();
        let execution = ran(&job, text);
        record(store.as_ref(), &execution).await;
        assert_eq!(find(store.as_ref(), job.id).await, execution, "{text:?}");
    }
}

async fn the_largest_execution_is_recorded(store: Opener) {
    let store = store.open().await;
    // More than any answer can be, in a character that is longest when escaped.
    let huge = "\u{1}".repeat(20 * 1024 * 1024);
    let job = job();
    let execution = ran(&job, &huge);
    record(store.as_ref(), &execution).await;
    let found = find(store.as_ref(), job.id).await;
    assert_eq!(found, execution);
    let End::Ran(response) = found.end else {
        panic!("it ran");
    };
    let kept = json_len(&response.stdout);
    assert!(response.truncated && kept > 100_000, "{kept}");
    assert!(kept < MAX_RECORDED_TEXT.as_len(), "{kept}");
    assert_eq!(response.test_results[1].expected_output, "2");
}

async fn a_store_answers_until_it_is_closed(store: Opener) {
    let store = store.open().await;
    store.ping().await.expect("it answers");
    let execution = failed(&job());
    record(store.as_ref(), &execution).await;
    store.close().await;
    store.close().await;
    let refused = |result| matches!(result, Err(StoreError::Unavailable { .. }));
    assert!(refused(store.ping().await));
    assert!(refused(store.record(&execution).await));
    assert!(refused(store.find(execution.job_id).await.map(drop)));
}

async fn two_handles_see_the_same(opener: Opener) {
    let (one, two) = (opener.open().await, opener.open().await);
    let first = job();
    record(one.as_ref(), &ran(&first, "one\n")).await;
    record(two.as_ref(), &ran(&first, "two\n")).await;
    let seen = find(two.as_ref(), first.id).await;
    assert_eq!(seen, find(one.as_ref(), first.id).await);
    // Also after the handle that wrote is closed, and another is opened.
    one.close().await;
    assert_eq!(find(opener.open().await.as_ref(), first.id).await, seen);
}

async fn a_recorder_writes_everything_before_it_ends(store: Opener) {
    let store = store.open().await;
    let recorder = Recorder::keeping(CodeKeeping::Whole, Arc::clone(&store));
    let executions: Vec<_> = (0..200).map(|n| ran(&job(), &format!("{n}\n"))).collect();
    for execution in &executions {
        let _written = recorder.record(execution.clone());
    }
    recorder.drain(SOON).await;
    let backlog = recorder.backlog();
    assert_eq!((backlog.waiting, backlog.lost), (0, 0));
    for execution in &executions {
        assert_eq!(&find(store.as_ref(), execution.job_id).await, execution);
    }
}

async fn executions_that_a_recorder_holds_can_be_read(store: Opener) {
    let store = store.open().await;
    let recorder = Recorder::start(Arc::clone(&store));
    let job = job();
    let held = ran(&job, "held\n");
    let written = recorder.record(held.clone());
    let found = recorder.find(job.id).await.expect("it answers");
    assert_eq!(found.map(|found| found.end), Some(held.end.clone()));
    assert!(written.within(SOON).await);
    assert_eq!(find(store.as_ref(), job.id).await.end, held.end);
    // If another has settled the job already, that record stands.
    let _written = recorder.record(failed(&job));
    let found = recorder.find(job.id).await.expect("it answers");
    assert_eq!(found.map(|found| found.end), Some(held.end));

    // Also while the store is away.
    store.close().await;
    let job = self::job();
    let written = recorder.record(Execution::of(&job, End::Pending));
    let _written = recorder.record(failed(&job));
    let found = recorder.find(job.id).await.expect("it is in hand");
    assert_eq!(found.map(|found| found.end.status()), Some("failed"));
    assert!(!written.within(Duration::from_millis(50)).await);
    assert!(recorder.find(JobId::new()).await.is_err());
}

#[tokio::test]
async fn the_code_is_in_a_store_only_if_it_is_to_be_kept() {
    for (keeping, is_kept) in [(CodeKeeping::HashOnly, false), (CodeKeeping::Whole, true)] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("warren.db");
        let store = SqliteStore::open(&path).await.expect("the file opens");
        record_with(Arc::new(store), keeping).await;
        let bytes = std::fs::read(&path).expect("the file is there");
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(holds("printed"));
        assert_eq!(holds(CODE), is_kept);

        Database::with(async |database| {
            let store = MongoStore::new(&database.uri()).expect("a valid address");
            record_with(Arc::new(store), keeping).await;
            let collection = database.client().await.database(&database.name);
            let collection = collection.collection::<Document>("executions");
            let document = collection.find_one(doc! {}).await.expect("it answers");
            let document = document.expect("one document");
            assert!(document.to_string().contains("printed"));
            assert_eq!(document.get_str("code").ok(), is_kept.then_some(CODE));
            assert_eq!(document.to_string().contains(CODE), is_kept);
        })
        .await;
    }
}

/// Records one execution and closes the store.
async fn record_with(store: Arc<dyn Store>, keeping: CodeKeeping) {
    let recorder = Recorder::keeping(keeping, Arc::clone(&store));
    let job = job();
    let written = recorder.record(ran(&job, "printed\n"));
    assert!(written.within(SOON).await);
    let origin = find(store.as_ref(), job.id).await.origin;
    let kept = origin.expect("it has an origin").source;
    let is_kept = keeping == CodeKeeping::Whole;
    assert_eq!(kept.as_deref(), is_kept.then_some(CODE));
    store.close().await;
}
