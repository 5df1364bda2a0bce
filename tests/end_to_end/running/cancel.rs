//! Callers who hang up: their waiting jobs are not begun, and running ones are ended.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, QueueLink, RabbitApi, RabbitConfig, SubmitError};

use crate::harness::http::{self, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{docker, machine, warren::Warren};

/// A program that sleeps longer than any caller waits, and longer than a test watches.
const SLEEPER: &str = "import time\ntime.sleep(60)";
/// The number of callers in all, and how many of them use HTTP.
const CALLERS: usize = 1_000;
const OVER_HTTP: usize = 100;

/// A caller on a connection of its own. Dropping it hangs up.
struct Caller {
    stream: TcpStream,
    answered: bool,
}

impl Caller {
    async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await.expect("it listens");
        Self {
            stream,
            answered: false,
        }
    }

    /// Gets `path` on a connection that stays open.
    async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let read = self.stream.read(&mut piece).await.expect("an answer");
            assert_ne!(read, 0, "the connection is kept open");
            answer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            if length.map(str::parse) == Some(Ok(body.len())) {
                return;
            }
        }
    }

    /// Submits a program, and does not wait for an answer.
    async fn submit(&mut self, path: &str, submission: &Value) {
        let body = submission.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&(head + &body)).await;
    }

    async fn send(&mut self, text: &str) {
        let sent = self.stream.write_all(text.as_bytes()).await;
        sent.expect("the request is taken");
    }

    /// Returns whether it was answered already.
    fn was_answered(&mut self) -> bool {
        // Does not poll a read: Tokio lets a task do only so many of these at a time.
        self.answered |= self.stream.try_read(&mut [0; 1]).is_ok();
        self.answered
    }
}

/// Returns the ids of the jobs for which this message is logged.
fn jobs_of(warren: &Warren, message: &str) -> Vec<String> {
    let log = warren.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == message);
    lines
        .filter_map(|line| {
            let spans = line["spans"].as_array().cloned().unwrap_or_default();
            let mut places = std::iter::once(line).chain(spans);
            places.find_map(|place| place["job.id"].as_str().map(str::to_owned))
        })
        .collect()
}

/// Waits until this message is logged for so many jobs.
async fn until_logged(warren: &Warren, message: &str, count: usize) -> Vec<String> {
    until(SOON, &format!("{count} times \"{message}\""), async || {
        jobs_of(warren, message).len() >= count
    })
    .await;
    jobs_of(warren, message)
}

/// Waits until the job is recorded as cancelled.
async fn until_recorded(api: &str, job: &str) {
    until(
        SOON,
        "an execution to be recorded as cancelled",
        async || {
            let answer = http::get(format!("{api}/api/executions/{job}")).await;
            answer.is_ok_and(|answer| {
                answer.text("status") == "failed" && answer.body["error"]["code"] == "cancelled"
            })
        },
    )
    .await;
}

/// Waits until the worker has counted so many jobs as cancelled.
async fn until_counted(warren: &Warren, count: usize) {
    let url = format!("{}/metrics", warren.worker.as_ref().expect("a worker"));
    let line =
        format!("warren_worker_jobs_total{{language=\"python\",status=\"cancelled\"}} {count}");
    until(SOON, &line, async || {
        let answer = http::get(url.clone()).await;
        answer.is_ok_and(|answer| answer.raw.lines().any(|found| found == line))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_ends_its_program() {
    let _machine = machine::shared().await;
    let variables = [("WARREN_SLOTS", "1"), ("WARREN_POOL_SIZE", "1")];
    let warren = Warren::start("up", &variables)
        .await
        .expect("warren up starts");
    let (api, worker) = (warren.api.clone().expect("an API"), warren.worker.clone());
    let worker = worker.expect("a worker");
    let ways = [
        (&api, "/api/health", "/api/rooms/tests/execute"),
        (&worker, "/health", "/execute"),
    ];
    for (nth, (url, health, execute)) in (1..).zip(ways) {
        let mut caller = Caller::connect(url).await;
        caller.get(health).await;
        warren.until_pool_is_full().await;
        let parked = docker::ids_of(&warren.instance()).await;
        caller.submit(execute, &program("python", SLEEPER)).await;
        until_logged(&warren, "begun", nth).await;
        drop(caller);
        // Not ended by its time limit, which would have been another verdict.
        until_counted(&warren, nth).await;
        // Its container is removed, and the pool replaces it.
        let pool = warren.until_pool_is_full().await;
        docker::until(&warren.instance(), "one anew", |now| {
            let ids = now.iter().filter_map(|container| container.id.as_ref());
            now.len() == parked.len() && ids.filter(|id| !parked.contains(*id)).count() == 1
        })
        .await;
        let python = &pool["python"];
        assert_eq!(
            (&python["handedOut"], &python["died"]),
            (&nth.into(), &0.into())
        );
    }
    let cancelled = until_logged(&warren, "the caller hung up", 1).await;
    until_recorded(&api, &cancelled[0]).await;
    let answer = warren.judged(&program("python", "print(1)")).await;
    assert_eq!(answer.text("stdout"), "1\n");
}

/// A program that sleeps until the test releases it holds the only slot. Behind it wait the jobs of
/// a thousand callers, who all hang up: not one is begun.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_begun_for_a_thousand_callers_who_hang_up() {
    let _machine = machine::alone().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let variables = [
        ("RABBITMQ_URL", url.as_str()),
        ("WARREN_SLOTS", "1"),
        ("WARREN_POOL_SIZE", "0"),
    ];
    let worker = Warren::start("worker", &variables)
        .await
        .expect("a worker starts");
    let api = Warren::start("api", &variables)
        .await
        .expect("the API starts");
    let config = RabbitConfig::new(&url, InstanceId::new("callers")).expect("an address");
    let queue = RabbitApi::new(config, &CancellationToken::new());
    let sleeper = job(SLEEPER);
    until(SOON, "the sleeper to be queued", async || {
        let submitted = queue.submit(&sleeper).await;
        !matches!(
            submitted,
            Err(SubmitError::Unavailable | SubmitError::NoWorkers)
        )
    })
    .await;
    until_logged(&worker, "begun", 1).await;

    let accepted = hang_up_over_http(&api, &queue).await;
    let others = hang_up_in_the_queue(&queue, CALLERS - OVER_HTTP).await;
    // Cancelled last, so that its worker knows of all other cancellations when it learns of this
    // one.
    queue.cancel(sleeper.id).await;
    docker::until_none_of(&worker.instance()).await;

    let hello = program("python", "print('hello')");
    until(SOON, "a caller who stays to be served", async || {
        let answer = api.submit(&hello).await.expect("an answer");
        answer.text("stdout") == "hello\n"
    })
    .await;
    let begun = jobs_of(&worker, "begun");
    assert_eq!(begun[0], sleeper.id.to_string());
    for job in accepted.iter().chain(&others) {
        assert!(!begun.contains(job), "{job} was begun");
    }
    // Jobs whose deadline passed before the worker took them are not among these.
    let refused = jobs_of(&worker, "job not run: it was cancelled");
    assert!(
        refused.len() >= others.len(),
        "{} of {} were refused",
        refused.len(),
        others.len()
    );
    let api = api.api.as_ref().expect("an API");
    for job in [refused.first(), others.first(), others.last()] {
        until_recorded(api, job.expect("jobs")).await;
    }
    until_recorded(api, &sleeper.id.to_string()).await;
}

/// Starts callers who hang up once their jobs wait. Returns the ids of these jobs, without those
/// that were refused.
async fn hang_up_over_http(api: &Warren, queue: &RabbitApi) -> Vec<String> {
    let url = api.api.as_ref().expect("an API");
    let mut callers = Vec::new();
    for _ in 0..OVER_HTTP {
        let mut caller = Caller::connect(url).await;
        let path = "/api/rooms/tests/execute";
        caller.submit(path, &program("python", "print(1)")).await;
        callers.push(caller);
    }
    // Refused ones have no job. Most of the others wait in the API for their room's turn.
    until(SOON, "every caller to wait", async || {
        callers.retain_mut(|caller| !caller.was_answered());
        in_flight(url).await == callers.len()
    })
    .await;
    assert_ne!(callers.len(), 0, "no caller's job was accepted");
    let waiting = queue.status().await.expect("the broker reports its state");
    let waiting = usize::try_from(waiting.waiting).expect("a few");
    assert_ne!(waiting, 0, "none of these jobs is with the broker");
    drop(callers);
    until(SOON, "the API to be rid of them", async || {
        in_flight(url).await == 0
    })
    .await;
    until_logged(api, "the caller hung up", waiting).await
}

/// Returns how many requests for execution the API holds.
async fn in_flight(api: &str) -> usize {
    let told = http::get(format!("{api}/metrics")).await;
    let told = told.expect("an answer").raw;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("warren_api_in_flight "));
    line.expect("a figure").parse().expect("a number")
}

/// Does what an API does for callers who hang up, for that many callers. Returns the ids of their
/// jobs.
async fn hang_up_in_the_queue(queue: &RabbitApi, count: usize) -> Vec<String> {
    let hanging_up = (0..count).map(|_| async {
        let job = job("print(1)");
        drop(queue.submit(&job).await?);
        queue.cancel(job.id).await;
        Ok::<_, SubmitError>(job.id.to_string())
    });
    let jobs = stream::iter(hanging_up).buffer_unordered(64).try_collect();
    jobs.await.expect("every job is queued")
}

/// Creates a job that nothing but its cancellation can end while the test watches.
fn job(code: &str) -> Job {
    let submission = json!({
        "language": "python", "code": code, "input": null, "test_cases": [],
    });
    let limits = Limits {
        time: 2 * SOON,
        ..Limits::default()
    };
    Job::new(
        "tests".parse().expect("a room"),
        serde_json::from_value(submission).expect("a submission"),
        limits,
        Deadline::after(4 * SOON),
    )
}
