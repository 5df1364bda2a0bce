//! Callers who do not wait for their results where they submitted.
//!
//! Two APIs share a broker and a history, and there is one worker with one slot.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::harness::http::{self, Answer, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{docker, machine, warren::Warren};

/// A program that runs longer than any run may: it ends by its limit, or because somebody ends it.
const SLEEPER: &str = "import time\ntime.sleep(60)";

struct Site {
    one: Warren,
    other: Warren,
    worker: Warren,
    _history: TempDir,
    _vhost: Vhost,
}

impl Site {
    async fn start() -> Self {
        let vhost = Vhost::fresh().await;
        let history = TempDir::new().expect("a directory");
        let url = vhost.amqp_url();
        let variables = [
            ("RABBITMQ_URL", url.as_str()),
            ("WARREN_DATA_DIR", history.path().to_str().expect("a path")),
            ("WARREN_SLOTS", "1"),
            ("WARREN_POOL_SIZE", "0"),
        ];
        let start = async |command| {
            let started = Warren::start(command, &variables).await;
            started.expect("warren starts")
        };
        Self {
            worker: start("worker").await,
            one: start("api").await,
            other: start("api").await,
            _history: history,
            _vhost: vhost,
        }
    }

    /// Submits an unattended job to one API. Returns its id.
    async fn submit(&self, code: &str) -> String {
        let submission = program("python", code);
        let submitted = http::with_header(
            self.one.execute_url(),
            ("prefer", "respond-async"),
            &submission,
        )
        .await;
        let submitted = submitted.expect("an answer");
        assert_eq!(submitted.status, 202, "{}", submitted.raw);
        submitted.text("jobId").to_owned()
    }

    fn url(&self, job: &str, what: &str) -> String {
        let api = self.other.api.as_ref().expect("an API");
        format!("{api}/api/executions/{job}{what}")
    }

    /// Waits for its end at the other API.
    async fn ended(&self, job: &str) -> Answer {
        // A caller is answered before the pending record is written.
        until(SOON, "the job to be on record", async || {
            let seen = http::get(self.url(job, "")).await;
            seen.is_ok_and(|seen| seen.status == 200)
        })
        .await;
        let started = Instant::now();
        loop {
            let url = self.url(job, "?wait=25");
            let ended = http::get(url).await.expect("an answer");
            if ended.text("state") == "finished" {
                return ended;
            }
            assert!(started.elapsed() < SOON, "not ended: {}", ended.raw);
        }
    }

    /// Returns the job's events, as the other API streams them to the end.
    fn events(&self, job: &str) -> JoinHandle<Vec<(String, Value)>> {
        let url = self.url(job, "/events");
        tokio::spawn(async move {
            let stream = http::get(url).await.expect("a stream that ends");
            let fields = |event: &str, name: &str| {
                let line = event.lines().find_map(|line| line.strip_prefix(name));
                line.map(str::to_owned)
            };
            let events = stream.raw.split("\n\n").filter_map(|event| {
                let data = serde_json::from_str(&fields(event, "data: ")?);
                Some((fields(event, "event: ")?, data.expect("JSON")))
            });
            events.collect()
        })
    }

    async fn until_running(&self, job: &str) {
        until(SOON, "the job to run", async || {
            let seen = http::get(self.url(job, "")).await;
            seen.is_ok_and(|seen| seen.text("state") == "running")
        })
        .await;
    }

    async fn cancel(&self, job: &str) {
        let cancelled = http::delete(self.url(job, "")).await.expect("an answer");
        assert_eq!(cancelled.status, 200, "{}", cancelled.raw);
        assert_eq!(cancelled.body["error"]["code"], "cancelled");
    }

    fn was_begun(&self, job: &str) -> bool {
        self.worker.begun().iter().any(|begun| begun.job == job)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_needs_to_wait_where_a_job_was_submitted() {
    let _machine = machine::shared().await;
    let site = Site::start().await;

    // Submitted at one API, awaited at the other.
    let hello = site.submit("print('hello')").await;
    let ended = site.ended(&hello).await;
    assert_eq!(ended.body["result"]["stdout"], "hello\n");

    // A job that waits behind another is queued, runs, and is finished.
    let before = site.submit(SLEEPER).await;
    site.until_running(&before).await;
    let watched = site.submit("import time\ntime.sleep(1)").await;
    let events = site.events(&watched).await.expect("events");
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["queued", "running", "finished"], "{events:?}");
    assert_eq!(events[2].1["result"]["status"], "completed");
    let limited = site.ended(&before).await;
    assert_eq!(limited.text("status"), "time_limit_exceeded");

    // A running job is ended, and a waiting one is never begun.
    let running = site.submit(SLEEPER).await;
    site.until_running(&running).await;
    let waiting = site.submit("print('never')").await;
    site.cancel(&waiting).await;
    site.cancel(&running).await;
    // Not ended by its time limit, which would have logged another line.
    site.worker.until_logged("\"cancelled\"").await;
    let next = site.submit("print('next')").await;
    assert_eq!(site.ended(&next).await.text("status"), "completed");
    assert!(site.was_begun(&running) && !site.was_begun(&waiting));
    for job in [&running, &waiting] {
        let stays = site.ended(job).await;
        assert_eq!(stays.body["error"]["code"], "cancelled");
        let again = http::delete(site.url(job, "")).await.expect("an answer");
        assert_eq!(again.status, 200);
    }

    // Many at once.
    let batch = json!({ "submissions": vec![program("python", "print(7)"); 8] });
    let taken = http::submit(site.one.execute_url() + "/batch", &batch).await;
    let taken = taken.expect("an answer");
    assert_eq!((taken.status, &taken.body["accepted"]), (202, &json!(8)));
    for job in taken.body["jobs"].as_array().expect("jobs") {
        let job = job["jobId"].as_str().expect("an id");
        assert_eq!(site.ended(job).await.body["result"]["stdout"], "7\n");
    }
    // Last, since unattended jobs have only a small share while there are callers. This caller
    // waits for less time than the program takes, and then waits at the other API.
    let slow = program("python", "import time\ntime.sleep(2)\nprint('slow')");
    let late = http::with_header(site.one.execute_url(), ("prefer", "wait=1"), &slow).await;
    let late = late.expect("an answer");
    assert_eq!((late.status, late.error_code()), (504, "timed_out"));
    // After its own second, not after the five seconds of callers who name no time.
    assert!(late.took < Duration::from_secs(4), "{:?}", late.took);
    let ended = site.ended(&late.job_id.expect("a job")).await;
    assert_eq!(ended.body["result"]["stdout"], "slow\n");
    docker::until_none_of(&site.worker.instance()).await;
}
