//! Tests of callers who do not wait, wait less, or wait elsewhere.

use std::num::NonZeroU16;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Method;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;
use warren_protocol::event::{Happened, JobEvent};
use warren_protocol::ids::{InstanceId, JobId};
use warren_protocol::reply::Reply;
use warren_queue::{Deliveries, Delivery, MemoryQueue, Offer, Prefetch, QueueLink, WorkerQueue};

use super::bench::{Answer, Bench, Does, EXECUTE, HELLO, SOON, outcome, post, request, send};

impl Bench {
    pub(super) async fn recording() -> Self {
        Self::recording_on(MemoryQueue::new()).await
    }

    pub(super) async fn recording_on(queue: MemoryQueue) -> Self {
        let bench = Self::on(queue, |_config| {}).await;
        bench.api.record_unclaimed().await.unwrap();
        bench
    }

    async fn prefer(&self, preference: &str) -> Answer {
        let mut request = post(EXECUTE, HELLO);
        let preference = preference.parse().unwrap();
        request.headers_mut().insert("prefer", preference);
        send(&self.api.router, request).await
    }

    /// Submits a job that nobody waits for. Returns its id.
    async fn submitted(&self) -> String {
        let answer = self.prefer("respond-async").await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body["jobId"].as_str().unwrap().to_owned()
    }

    async fn delete(&self, job: &str) -> Answer {
        let path = format!("/api/executions/{job}");
        let request = request(Method::DELETE, &path).body(Body::empty()).unwrap();
        send(&self.api.router, request).await
    }

    async fn events(&self, job: &str) -> BodyDataStream {
        let path = format!("/api/executions/{job}/events");
        let request = request(Method::GET, &path).body(Body::empty()).unwrap();
        let response = self.api.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response.into_body().into_data_stream()
    }
}

/// Takes the one slot of a worker.
async fn slot(bench: &Bench) -> (MemoryQueue, Deliveries) {
    let queue = bench.queue.sibling();
    let slots = Prefetch(NonZeroU16::MIN);
    let jobs = queue.deliveries(slots, bench.stop.clone()).await.unwrap();
    (queue, jobs)
}

async fn next(jobs: &mut Deliveries) -> Delivery {
    let offer = timeout(SOON, jobs.recv()).await.unwrap();
    offer.and_then(Offer::into_job).unwrap()
}

async fn answer(delivery: Delivery, text: &str) {
    let job = delivery.job.clone();
    let reply = Reply::new(job.id, Ok(outcome(&job, text))).about(job);
    delivery.reply(reply).await.unwrap();
}

/// Returns the next event of a stream: its name, and the execution as it then was.
async fn event(stream: &mut BodyDataStream) -> Option<(String, Value)> {
    let chunk = timeout(SOON, stream.next()).await.unwrap()?.unwrap();
    let text = String::from_utf8(chunk.to_vec()).unwrap();
    let field = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.unwrap_or_else(|| panic!("no {name} in {text:?}"))
    };
    assert_eq!(field("id: "), field("event: "));
    let data = serde_json::from_str(field("data: ")).unwrap();
    Some((field("event: ").to_owned(), data))
}

#[tokio::test]
async fn a_caller_who_prefers_not_to_wait_gets_the_address_of_the_result() {
    let bench = Bench::recording().await;
    // There need not be a worker yet.
    let answer = bench.prefer("respond-async").await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.body["jobId"].as_str().unwrap();
    let url = format!("/api/executions/{id}");
    assert_eq!(answer.body["status"], "pending");
    assert_eq!(answer.body["resultUrl"], url);
    assert_eq!(answer.body["eventsUrl"], format!("{url}/events"));
    assert_eq!(answer.header("location"), Some(url.as_str()));
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    assert_eq!(answer.header("x-job-id"), Some(id));

    let queued = bench.recorded(id, "pending").await;
    assert_eq!(queued.body["state"], "queued");
    bench.worker(Does::Prints("later\n")).await;
    let ended = bench.get(&format!("{url}?wait=10")).await;
    assert_eq!(ended.body["status"], "completed");
    assert_eq!(ended.body["state"], "finished");
    assert_eq!(ended.body["result"]["stdout"], "later\n");
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_may_wait_long_and_runs_no_longer_than_others() {
    let bench = Bench::recording().await;
    let (_queue, mut jobs) = slot(&bench).await;
    bench.submitted().await;
    let delivery = next(&mut jobs).await;
    let left = delivery.job.deadline.remaining();
    assert!(left > Duration::from_secs(3_500), "{left:?}");
    let begun = delivery.job.begun().deadline.remaining();
    assert!(begun < Duration::from_secs(5), "{begun:?}");
    answer(delivery, "").await;
}

#[tokio::test]
async fn a_full_queue_refuses_whoever_does_not_wait() {
    let bench = Bench::recording_on(MemoryQueue::with_capacity(1)).await;
    bench.submitted().await;
    let refused = bench.prefer("respond-async").await;
    refused.error(503, "queue_full");
    // What was refused is not on record.
    let id = refused.header("x-job-id").unwrap();
    let unknown = bench.get(&format!("/api/executions/{id}")).await;
    unknown.error(404, "unknown_execution");
}

#[tokio::test]
async fn a_shorter_wait_is_over_sooner_and_the_result_can_be_read_later() {
    let bench = Bench::recording().await;
    let (_queue, mut jobs) = slot(&bench).await;
    let (late, delivery) = tokio::join!(bench.prefer("wait=1"), jobs.recv());
    let delivery = delivery.and_then(Offer::into_job).unwrap();
    assert_eq!(late.header("preference-applied"), Some("wait=1"));
    let left = delivery.job.deadline.remaining();
    assert!(!left.is_zero(), "the job keeps its time");
    let details = late.error(504, "timed_out");
    let id = details["jobId"].as_str().unwrap();
    bench.recorded(id, "pending").await;
    let path = format!("{}?wait=10", details["resultUrl"].as_str().unwrap());
    let (ended, ()) = tokio::join!(bench.get(&path), answer(delivery, "late\n"));
    assert_eq!(ended.body["result"]["stdout"], "late\n", "{}", ended.body);
}

#[tokio::test]
async fn a_caller_who_prefers_both_gets_a_result_that_is_there_in_time() {
    let bench = Bench::recording().await;
    let unserved = bench.prefer("respond-async, wait=0").await;
    assert_eq!(unserved.status, 202, "{}", unserved.body);
    let applied = unserved.header("preference-applied");
    assert_eq!(applied, Some("respond-async, wait=0"));
    bench.worker(Does::Prints("soon\n")).await;
    let served = bench.prefer("respond-async, wait=5").await;
    assert_eq!(served.status, 200, "{}", served.body);
    assert_eq!(served.body["stdout"], "soon\n");
    assert_eq!(served.header("x-job-id"), served.body["jobId"].as_str());
}

#[tokio::test]
async fn a_long_poll_ends_with_the_job_or_its_time_or_the_api() {
    let bench = Bench::recording().await;
    let id = bench.submitted().await;
    let path = format!("/api/executions/{id}");
    let queued = bench.get(&format!("{path}?wait=1")).await;
    assert_eq!(
        (queued.status.as_u16(), &queued.body["state"]),
        (200, &json!("queued"))
    );
    for wait in ["61", "-1", "1.5", "soon", ""] {
        let answer = bench.get(&format!("{path}?wait={wait}")).await;
        assert_eq!(answer.error(400, "invalid_wait")["limitSeconds"], 60);
    }
    let unknown = JobId::new();
    let answer = bench
        .get(&format!("/api/executions/{unknown}?wait=60"))
        .await;
    answer.error(404, "unknown_execution");
    let long = format!("{path}?wait=60");
    let stopping = async {
        tokio::task::yield_now().await;
        bench.api.draining.cancel();
    };
    let both = async { tokio::join!(bench.get(&long), stopping) };
    let (stopped, ()) = timeout(SOON, both).await.expect("it ends at once");
    assert_eq!(stopped.body["state"], "queued");
}

#[tokio::test]
async fn what_happens_to_a_job_is_streamed() {
    let bench = Bench::recording().await;
    let id = bench.submitted().await;
    let mut stream = bench.events(&id).await;
    let (name, data) = event(&mut stream).await.unwrap();
    assert_eq!(
        (name.as_str(), &data["status"]),
        ("queued", &json!("pending"))
    );

    let (queue, mut jobs) = slot(&bench).await;
    let delivery = next(&mut jobs).await;
    let worker = InstanceId::new("worker");
    let running = JobEvent::now(delivery.job.id, Happened::Running { worker });
    queue.publish_event(&running).await;
    let (name, data) = event(&mut stream).await.unwrap();
    assert_eq!(
        (name.as_str(), &data["state"]),
        ("running", &json!("running"))
    );
    let seen = bench.get(&format!("/api/executions/{id}")).await;
    assert_eq!(seen.body["state"], "running");

    answer(delivery, "done\n").await;
    let (name, data) = event(&mut stream).await.unwrap();
    assert_eq!(name, "finished");
    assert_eq!(data["result"]["stdout"], "done\n");
    assert_eq!(event(&mut stream).await, None);
    // A client that reconnects gets the current state.
    let mut again = bench.events(&id).await;
    assert_eq!(event(&mut again).await.unwrap().0, "finished");
    let unknown = format!("/api/executions/{}/events", JobId::new());
    bench.get(&unknown).await.error(404, "unknown_execution");
}

#[tokio::test]
async fn a_stream_ends_when_the_api_stops() {
    let bench = Bench::recording().await;
    let mut stream = bench.events(&bench.submitted().await).await;
    event(&mut stream).await.unwrap();
    bench.api.draining.cancel();
    assert_eq!(event(&mut stream).await, None);
}

#[tokio::test]
async fn a_waiting_job_that_is_cancelled_is_never_begun() {
    let bench = Bench::recording().await;
    let (unwanted, wanted) = (bench.submitted().await, bench.submitted().await);
    let path = format!("/api/executions/{unwanted}?wait=60");
    let (waited, cancelled) = tokio::join!(bench.get(&path), bench.delete(&unwanted));
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    assert_eq!(cancelled.body["status"], "failed");
    assert_eq!(cancelled.body["state"], "finished");
    assert_eq!(cancelled.body["error"]["code"], "cancelled");
    assert_eq!(waited.body, cancelled.body, "who waits is told");

    let (_queue, mut jobs) = slot(&bench).await;
    let delivery = next(&mut jobs).await;
    assert_eq!(delivery.job.id.to_string(), wanted);
    answer(delivery, "").await;
    bench.recorded(&wanted, "completed").await;
    // Nothing to be cancelled: one is, one is done, one is not known.
    assert_eq!(bench.delete(&unwanted).await.body, cancelled.body);
    let done = bench.delete(&wanted).await;
    let details = done.error(409, "already_finished");
    assert_eq!(details["jobId"], wanted.as_str());
    let unknown = bench.delete(&JobId::new().to_string()).await;
    unknown.error(404, "unknown_execution");
    bench.delete("x").await.error(400, "invalid_job_id");
}

#[tokio::test]
async fn a_running_job_that_is_cancelled_is_ended_and_stays_cancelled() {
    let bench = Bench::recording().await;
    let (_queue, mut jobs) = slot(&bench).await;
    let id = bench.submitted().await;
    let delivery = next(&mut jobs).await;
    let token = delivery.cancelled();
    let cancelled = bench.delete(&id).await;
    assert_eq!(cancelled.body["error"]["code"], "cancelled");
    timeout(SOON, token.cancelled()).await.unwrap();
    // Its result arrives just then.
    answer(delivery, "too late\n").await;
    let after = bench.submitted().await;
    answer(next(&mut jobs).await, "").await;
    bench.recorded(&after, "completed").await;
    bench.recorded(&id, "failed").await;
}
