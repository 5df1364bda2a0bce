//! Test bench: the API on an in-process queue and a SQLite file, with workers.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;
use warren_config::Env;
use warren_languages::Languages;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::outcome::{Captured, CaseResult, EngineName, Outcome, Run, Status, Timings};
use warren_protocol::reply::{FailureCode, JobFailure, Reply};
use warren_protocol::time::EpochMillis;
use warren_queue::{ApiQueue, MemoryQueue, Offer, Prefetch, QueueLink, WorkerQueue};

use crate::config::DATABASE_FILE;
use crate::store::{SqliteStore, Store};
use crate::{Api, Config};

pub(super) const EXECUTE: &str = "/api/rooms/room-1/execute";
/// The bound of every wait for what must happen: it only ends a test that hangs.
pub(super) const SOON: Duration = Duration::from_secs(120);
/// A body that every default passes.
pub(super) const HELLO: &str = r#"{"language":"python","code":"print('hello')"}"#;

/// The API, and the services behind it.
pub(super) struct Bench {
    pub(super) api: Api,
    pub(super) queue: Arc<MemoryQueue>,
    pub(super) store: Arc<dyn Store>,
    pub(super) stop: CancellationToken,
    pub(super) directory: TempDir,
    // One permit for each job that a worker has taken.
    taken: Arc<Semaphore>,
    _stop: DropGuard,
}

/// The reaction of a worker to each job.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// Answers with this output.
    Prints(&'static str),
    /// Answers with this output after a while.
    PrintsAfter(Duration, &'static str),
    /// Could not run the job.
    Fails(FailureCode),
    /// Holds the job for good.
    Nothing,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(|_config| {}).await
    }

    pub(super) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::on(MemoryQueue::new(), configure).await
    }

    pub(super) async fn on(queue: MemoryQueue, configure: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::from_env(&mut Env::default());
        configure(&mut config);
        let path = directory.path().join(DATABASE_FILE);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
        let queue = Arc::new(queue);
        let api = Api::new(
            config,
            Arc::clone(&queue) as Arc<dyn ApiQueue>,
            "in-process queue",
            Arc::clone(&store),
            Languages::embedded(),
            InstanceId::new("api"),
        )
        .unwrap();
        let stop = CancellationToken::new();
        Self {
            api,
            queue,
            store,
            _stop: stop.clone().drop_guard(),
            stop,
            directory,
            taken: Arc::new(Semaphore::new(0)),
        }
    }

    /// Starts a worker: it takes jobs from a handle of its own and replies.
    pub(super) async fn worker(&self, does: Does) {
        let queue = self.queue.sibling();
        let slots = Prefetch(NonZeroU16::new(8).unwrap());
        let mut jobs = queue.deliveries(slots, self.stop.clone()).await.unwrap();
        let taken = Arc::clone(&self.taken);
        tokio::spawn(async move {
            while let Some(delivery) = jobs.recv().await.and_then(Offer::into_job) {
                taken.add_permits(1);
                tokio::spawn(async move {
                    let job = delivery.job.clone();
                    let result = does.with(&job).await;
                    let reply = Reply::new(job.id, result).about(job);
                    delivery.reply(reply).await.unwrap();
                });
            }
            queue.close(Duration::ZERO).await;
        });
    }

    /// Waits until a worker has taken one more job.
    pub(super) async fn job_taken(&self) {
        let taken = timeout(Duration::from_secs(60), self.taken.acquire()).await;
        taken.unwrap().unwrap().forget();
    }

    pub(super) async fn post(&self, body: &str) -> Answer {
        send(&self.api.router, post(EXECUTE, body.to_owned())).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        send(
            &self.api.router,
            request(Method::GET, path).body(Body::empty()).unwrap(),
        )
        .await
    }

    /// Returns the record of a job, once it has this status.
    pub(super) async fn recorded(&self, job_id: &str, status: &str) -> Answer {
        self.until(&format!("/api/executions/{job_id}"), status)
            .await
    }

    /// Returns the health report, once it has this status.
    pub(super) async fn health(&self, status: &str) -> Answer {
        self.until("/api/health", status).await
    }

    async fn until(&self, path: &str, status: &str) -> Answer {
        let start = Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer.body["status"] == status {
                return answer;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "never {status}: {}",
                answer.body
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Does {
    async fn with(self, job: &Job) -> Result<Outcome, JobFailure> {
        match self {
            Self::Prints(text) => Ok(outcome(job, text)),
            Self::PrintsAfter(span, text) => {
                tokio::time::sleep(span).await;
                Ok(outcome(job, text))
            }
            Self::Fails(code) => Err(JobFailure {
                code,
                message: "No container could be made. Send the request again later.".into(),
            }),
            Self::Nothing => std::future::pending().await,
        }
    }
}

/// Returns a worker's outcome of a job whose program always prints `text`.
pub(super) fn outcome(job: &Job, text: &str) -> Outcome {
    let run = Run {
        status: Status::Completed,
        exit_code: Some(0),
        signal: None,
        stdout: Captured {
            text: text.to_owned(),
            truncated: false,
        },
        stderr: Captured::default(),
        duration: Duration::from_millis(20),
        cpu: Duration::from_millis(10),
        memory_bytes: 8_000_000,
    };
    let cases = job.submission.test_cases().iter().map(|case| CaseResult {
        status: if case.expected_output() == text {
            Status::Completed
        } else {
            Status::WrongAnswer
        },
        run: Some(run.clone()),
        first_difference: None,
    });
    Outcome {
        cases: cases.collect(),
        main: job.submission.main_input().map(|_input| run.clone()),
        timings: Timings::default(),
        finished_at: EpochMillis::now(),
        worker: InstanceId::new("worker"),
        image: "python:3.10-alpine".into(),
        engine: EngineName::Docker,
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is an error in the contract's shape with advice for people. Returns its
    /// details.
    #[track_caller]
    pub(super) fn error(&self, status: u16, code: &str) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.body.as_object().unwrap();
        assert_eq!(body.keys().collect::<Vec<_>>(), ["error", "success"]);
        assert_eq!(self.body["success"], json!(false));
        let error = self.body["error"].as_object().unwrap();
        assert_eq!(
            error.keys().collect::<Vec<_>>(),
            ["code", "details", "message"]
        );
        assert_eq!(error["code"], code);
        assert!(error["message"].as_str().unwrap().len() > 20);
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let retry_after = self
            .header("retry-after")
            .map(|s| s.parse::<u64>().unwrap());
        match status {
            429 | 503 => assert!(retry_after.is_some_and(|s| (1..=60).contains(&s))),
            _ => assert_eq!(retry_after, None),
        }
        &self.body["error"]["details"]
    }
}

pub(super) fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

pub(super) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    request(Method::POST, path)
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

pub(super) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}
