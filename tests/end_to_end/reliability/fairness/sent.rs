//! Unattended jobs, sent over REST and followed to their end.

use serde_json::{Value, json};

use crate::harness::http::{self, Answer, program};
use crate::harness::wait::{SOON, until};
use crate::harness::warren::Warren;

/// Sends a batch of that many hellos to a room. Returns their ids.
pub async fn send(api: &Warren, room: &str, count: u32) -> Vec<String> {
    let submissions: Vec<_> = (0..count)
        .map(|_| program("python", "print('hello')"))
        .collect();
    let url = format!("{}/api/rooms/{room}/execute/batch", url(api));
    let taken = http::submit(url, &json!({ "submissions": submissions })).await;
    let taken = taken.expect("an answer");
    assert_eq!(taken.status, 202, "{}", taken.raw);
    let jobs = taken.body["jobs"].as_array().expect("a list");
    let id = |job: &Value| job["jobId"].as_str().expect("an id").to_owned();
    jobs.iter().map(id).collect()
}

/// Waits for the end of a job, which must be that its program ran.
pub async fn completed(api: &Warren, job: &str) -> Answer {
    let url = format!("{}/api/executions/{job}?wait=5", url(api));
    let mut last = None;
    until(SOON, "the job to end", async || {
        let seen = http::get(url.clone()).await.expect("an answer");
        // A caller is answered before the pending record is written.
        let has_ended = seen.status == 200 && seen.text("status") == "completed";
        last = Some(seen);
        has_ended
    })
    .await;
    last.expect("it was asked for")
}

fn url(api: &Warren) -> &str {
    api.api.as_ref().expect("an API")
}
