//! What every store promises, held against the SQLite file and a real MongoDB.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use warren_api::store::{
    End, Execution, MAX_RECORDED_TEXT, MongoStore, Recorder, STORE_TIMEOUT, SqliteStore, Store,
    StoreError,
};
use warren_shared::contract::{ExecuteRequest, ExecuteResponse};
use warren_shared::ids::{InstanceId, JobId};
use warren_shared::job::Job;
use warren_shared::languages::{Languages, PolicyMode};
use warren_shared::limits::Limits;
use warren_shared::outcome::{Captured, CaseResult, Difference, Outcome, Run, Status, Timings};
use warren_shared::reply::{FailureCode, JobFailure, Reply};
use warren_shared::submission::Submission;
use warren_shared::time::{Deadline, EpochMillis};

use crate::harness::mongo::{Database, Line};

const CODE: &str = "print('a secret of the author')";

/// Each property as one test for each store.
macro_rules! conformance {
    ($($property:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $property() {
                super::on_sqlite(super::$property).await;
            })+
        }
        mod mongo {
            $(#[tokio::test]
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
    what_the_pending_record_knew_is_kept,
    racing_records_leave_one_whole_one,
    every_text_survives,
    the_largest_execution_is_recorded,
    it_answers_and_then_is_closed,
    two_handles_see_the_same,
    a_recorder_writes_everything_before_it_ends,
);

async fn on_sqlite<Fut: Future<Output = ()>>(property: impl FnOnce(Opener) -> Fut) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    property(Opener::Sqlite(directory.path().join("warren.db"))).await;
}

async fn on_mongodb<Fut: Future<Output = ()>>(property: impl FnOnce(Opener) -> Fut) {
    Database::with(|database| property(Opener::Mongo(database.uri()))).await;
}

/// How to open one and the same store, once or several times.
#[derive(Clone)]
enum Opener {
    Sqlite(std::path::PathBuf),
    Mongo(String),
}

impl Opener {
    async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path).await.expect("the file opens")),
            Self::Mongo(uri) => Arc::new(MongoStore::new(uri).expect("the address is valid")),
        }
    }
}

fn job() -> Job {
    let body = serde_json::json!({
        "language": "python", "code": CODE, "input": "in",
        "testCases": [{"input": "1", "expectedOutput": "1"}, {"input": "2", "expectedOutput": "2"}],
    });
    let request = ExecuteRequest::from_json(body.to_string().as_bytes()).expect("a valid body");
    let submission = Submission::parse(request, &Languages::embedded(), PolicyMode::Off);
    let room = "room-1".parse().expect("a valid room");
    let deadline = Deadline::after(Duration::from_secs(5));
    Job::new(
        room,
        submission.expect("valid"),
        Limits::default(),
        deadline,
    )
}

fn run(status: Status, stdout: &str) -> Run {
    Run {
        status,
        exit_code: Some(0),
        signal: None,
        stdout: Captured {
            text: stdout.to_owned(),
            truncated: false,
        },
        stderr: Captured::default(),
        duration: Duration::from_micros(12_345),
        cpu: Duration::from_micros(6_789),
        memory_bytes: 7_000_000,
    }
}

fn outcome(stdout: &str) -> Outcome {
    let case = |status, stdout, first_difference| CaseResult {
        run: Some(run(status, stdout)),
        status,
        first_difference,
    };
    Outcome {
        main: Some(run(Status::Completed, stdout)),
        cases: vec![
            case(Status::Completed, "1\n", None),
            case(
                Status::WrongAnswer,
                stdout,
                Some(Difference {
                    line: 1,
                    expected: Some("2".into()),
                    actual: Some(stdout.into()),
                }),
            ),
        ],
        timings: Timings::default(),
        finished_at: EpochMillis::now(),
        worker: InstanceId::new("worker"),
        image: "python:3.10-alpine".into(),
    }
}

fn ran(job: &Job, stdout: &str) -> Execution {
    let response = ExecuteResponse::new(job.id, &job.submission, outcome(stdout));
    Execution::of(job, End::Ran(Box::new(response)))
}

fn failed(job: &Job) -> Execution {
    let failure = JobFailure {
        code: FailureCode::SandboxUnavailable,
        message: "no container; try again".into(),
    };
    Execution::of(job, End::Failed(failure))
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

async fn what_the_pending_record_knew_is_kept(store: Opener) {
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

async fn racing_records_leave_one_whole_one(store: Opener) {
    let store = store.open().await;
    for _ in 0..20 {
        let job = job();
        let settled = [ran(&job, "one\n"), ran(&job, "two\n"), failed(&job)];
        let pending = Execution::of(&job, End::Pending);
        let racers: Vec<_> = settled
            .iter()
            .chain([&pending, &pending])
            .cloned()
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
    assert!(response.truncated && response.stdout.len() > 100_000);
    assert!(response.stdout.len() < MAX_RECORDED_TEXT.as_len());
    assert_eq!(response.test_results[1].expected_output, "2");
}

async fn it_answers_and_then_is_closed(store: Opener) {
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
    // And after the one that wrote is closed, and one is opened anew.
    one.close().await;
    assert_eq!(find(opener.open().await.as_ref(), first.id).await, seen);
}

async fn a_recorder_writes_everything_before_it_ends(store: Opener) {
    let store = store.open().await;
    let recorder = Recorder::start(Arc::clone(&store));
    let executions: Vec<_> = (0..200).map(|n| ran(&job(), &format!("{n}\n"))).collect();
    for execution in &executions {
        recorder.record(execution.clone());
    }
    recorder.drain(Duration::from_secs(30)).await;
    let backlog = recorder.backlog();
    assert_eq!((backlog.waiting, backlog.lost), (0, 0));
    for execution in &executions {
        assert_eq!(&find(store.as_ref(), execution.job_id).await, execution);
    }
}

#[tokio::test]
async fn the_code_is_in_no_store() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("warren.db");
    let store = SqliteStore::open(&path).await.expect("the file opens");
    record(&store, &ran(&job(), "printed\n")).await;
    store.close().await;
    let bytes = std::fs::read(&path).expect("the file is there");
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("printed") && !holds("secret of the author"));

    Database::with(async |database| {
        let store = MongoStore::new(&database.uri()).expect("a valid address");
        record(&store, &ran(&job(), "printed\n")).await;
        let collection = database.client().await.database(&database.name);
        let collection = collection.collection::<Document>("executions");
        let document = collection.find_one(doc! {}).await.expect("it answers");
        let text = document.expect("one document").to_string();
        assert!(text.contains("printed") && !text.contains("secret of the author"));
    })
    .await;
}

#[tokio::test]
async fn an_outage_of_mongodb_is_told_within_the_bound_and_loses_nothing() {
    Database::with(async |database| {
        let line = Line::to(&database, false).await;
        let store: Arc<dyn Store> =
            Arc::new(MongoStore::new(&line.uri(&database)).expect("a valid address"));

        // Away from the first moment: the store is made all the same, and says so in time.
        let asked = Instant::now();
        assert!(matches!(
            store.ping().await,
            Err(StoreError::Unavailable { .. })
        ));
        assert!(asked.elapsed() < STORE_TIMEOUT + Duration::from_secs(1));

        let recorder = Recorder::start(Arc::clone(&store));
        let before: Vec<_> = (0..50).map(|n| ran(&job(), &format!("{n}\n"))).collect();
        for execution in &before {
            let handed = Instant::now();
            recorder.record(execution.clone());
            assert!(
                handed.elapsed() < Duration::from_millis(50),
                "callers never wait"
            );
        }
        until("the recorder has noticed", || recorder.backlog().failing).await;
        line.mend();
        until("it is written", || {
            let backlog = recorder.backlog();
            backlog.waiting == 0 && !backlog.failing
        })
        .await;

        // Cut in the middle of writing.
        let during: Vec<_> = (0..300).map(|n| ran(&job(), &format!("{n}\n"))).collect();
        for (n, execution) in during.iter().enumerate() {
            recorder.record(execution.clone());
            if n == 150 {
                line.cut();
            }
        }
        until("the recorder has noticed", || recorder.backlog().failing).await;
        line.mend();
        recorder.drain(Duration::from_secs(30)).await;
        assert_eq!(recorder.backlog().lost, 0);

        let direct = MongoStore::new(&database.uri()).expect("a valid address");
        for execution in before.iter().chain(&during) {
            assert_eq!(&find(&direct, execution.job_id).await, execution);
        }
        let collection = database.client().await.database(&database.name);
        let collection = collection.collection::<Document>("executions");
        assert_eq!(
            collection
                .count_documents(doc! {})
                .await
                .expect("it counts"),
            350,
            "each exactly once"
        );
    })
    .await;
}

/// Waits for a condition, at most 30 s.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
