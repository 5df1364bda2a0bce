//! Queues unattended jobs from the test's own process.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio_util::sync::{CancellationToken, DropGuard};
use warren_languages::{Languages, PolicyMode};
use warren_protocol::contract::ExecuteRequest;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::submission::Submission;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, QueueLink, RabbitApi, RabbitConfig};

use crate::harness::http::program;
use crate::harness::wait::{SOON, until};
use crate::harness::warren::Warren;

/// The longest that a job may wait until it is begun.
const DEADLINE: Duration = Duration::from_secs(3600);
/// The number of jobs on their way to the broker at a time.
const AT_ONCE: usize = 64;

/// An API's end of the queue, without the API.
pub struct Crowd {
    queue: RabbitApi,
    submitted: Mutex<HashSet<String>>,
    _stop: DropGuard,
}

impl Crowd {
    /// Connects to the broker at `url`.
    pub fn new(url: &str) -> Self {
        let stop = CancellationToken::new();
        let config = RabbitConfig::new(url, InstanceId::new("crowd")).expect("an address");
        Self {
            queue: RabbitApi::new(config, &stop),
            submitted: Mutex::default(),
            _stop: stop.drop_guard(),
        }
    }

    /// Queues that many jobs.
    pub async fn submit(&self, count: usize) {
        until(SOON, "the broker", async || {
            self.queue.status().await.is_ok()
        })
        .await;
        let submitted = stream::iter(0..count)
            .map(|_| async {
                let job = job();
                self.submitted().insert(job.id.to_string());
                self.queue.submit_unattended(&job).await
            })
            .buffer_unordered(AT_ONCE);
        submitted
            .for_each(async |submitted| submitted.expect("there is room"))
            .await;
    }

    /// Returns how many of them that worker has begun.
    pub fn begun(&self, worker: &Warren) -> usize {
        let submitted = self.submitted();
        let begun = worker.begun();
        let ours = begun.iter().filter(|begun| submitted.contains(&begun.job));
        ours.count()
    }

    fn submitted(&self) -> MutexGuard<'_, HashSet<String>> {
        self.submitted.lock().expect("no panic")
    }

    /// Returns how many have not been fetched by a worker yet.
    pub async fn waiting(&self) -> u32 {
        self.queue.status().await.expect("an answer").unattended
    }
}

fn job() -> Job {
    let body = program("python", "print(sum(range(1_000_000)))").to_string();
    let request = ExecuteRequest::from_json(body.as_bytes()).expect("a submission");
    let submission = Submission::parse(request, &Languages::embedded(), PolicyMode::Enforce);
    Job::new(
        "crowd".parse().expect("a room"),
        submission.expect("an allowed program"),
        Limits::default(),
        Deadline::after(DEADLINE),
    )
}
