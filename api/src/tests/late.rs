//! Tests that results are recorded after their caller has stopped waiting.

use std::future::poll_fn;
use std::num::NonZeroU16;
use std::task::Poll;
use std::time::Duration;

use serde_json::Value;
use tower::ServiceExt;
use warren_languages::{Languages, PolicyMode};
use warren_protocol::contract::ExecuteRequest;
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::reply::Reply;
use warren_protocol::submission::Submission;
use warren_protocol::time::{Deadline, EpochMillis};
use warren_queue::{ApiQueue, Prefetch, QueueLink, WorkerQueue};

use crate::store::{End, Execution};

use super::bench::{Bench, Does, EXECUTE, HELLO, outcome, post};

#[tokio::test]
async fn a_result_after_the_wait_is_where_the_504_says() {
    let bench = Bench::with(|config| config.wait = Duration::from_millis(500)).await;
    bench.api.record_unclaimed().await.unwrap();
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(1_000), "late\n"))
        .await;
    let answer = bench.post(HELLO).await;
    let details = answer.error(504, "timed_out");
    let id = details["jobId"].as_str().unwrap();
    assert_eq!(details["resultUrl"], format!("/api/executions/{id}"));

    let pending = bench.recorded(id, "pending").await;
    assert_eq!(
        (&pending.body["result"], &pending.body["error"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(pending.body["roomId"], "room-1");
    let settled = bench.recorded(id, "completed").await;
    assert_eq!(settled.body["result"]["stdout"], "late\n");
    assert_eq!(settled.body["roomId"], "room-1");
}

#[tokio::test]
async fn the_result_of_a_caller_who_left_is_recorded() {
    let bench = Bench::new().await;
    bench.api.record_unclaimed().await.unwrap();
    let queue = bench.queue.sibling();
    let slots = Prefetch(NonZeroU16::MIN);
    let mut jobs = queue.deliveries(slots, bench.stop.clone()).await.unwrap();
    let request = tokio::spawn(bench.api.router.clone().oneshot(post(EXECUTE, HELLO)));
    let delivery = jobs.recv().await.unwrap().into_job().unwrap();
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());

    let job = delivery.job.clone();
    let reply = Reply::new(job.id, Ok(outcome(&job, "unheard\n"))).about(job.clone());
    delivery.reply(reply).await.unwrap();
    let recorded = bench.recorded(&job.id.to_string(), "completed").await;
    assert_eq!(recorded.body["result"]["stdout"], "unheard\n");
    assert_eq!(recorded.body["language"], "python");
}

#[tokio::test]
async fn a_reply_in_the_moment_in_which_the_caller_leaves_is_recorded() {
    let bench = Bench::new().await;
    let queue = bench.queue.sibling();
    let slots = Prefetch(NonZeroU16::MIN);
    let mut jobs = queue.deliveries(slots, bench.stop.clone()).await.unwrap();
    let mut request = Box::pin(bench.api.router.clone().oneshot(post(EXECUTE, HELLO)));
    // Polled until its job is taken, and not after that.
    let delivery = poll_fn(|context| {
        assert!(request.as_mut().poll(context).is_pending());
        match std::pin::pin!(jobs.recv()).poll(context) {
            Poll::Ready(offer) => Poll::Ready(offer.unwrap().into_job().unwrap()),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    let job = delivery.job.clone();
    // Sent without the job, as by a worker that could not read it: the API knows the job itself.
    let reply = Reply::new(job.id, Ok(outcome(&job, "just then\n")));
    delivery.reply(reply).await.unwrap();
    drop(request);
    let recorded = bench.recorded(&job.id.to_string(), "completed").await;
    assert_eq!(recorded.body["result"]["stdout"], "just then\n");
    assert_eq!(recorded.body["roomId"], "room-1");
}

#[tokio::test]
async fn the_result_for_an_api_that_died_is_recorded_by_another() {
    let bench = Bench::new().await;
    bench.api.record_unclaimed().await.unwrap();
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(200), "orphan\n"))
        .await;
    let request = br#"{"language":"python","code":"1","testCases":[{"input":"i","expectedOutput":"orphan\n"}]}"#;
    let request = ExecuteRequest::from_json(request).unwrap();
    let submission = Submission::parse(request, &Languages::embedded(), PolicyMode::Enforce);
    let job = Job::new(
        "their-room".parse().unwrap(),
        submission.unwrap(),
        Limits::default(),
        Deadline::after(Duration::from_secs(5)),
    );
    let dead = bench.queue.sibling();
    drop(dead.submit(&job).await.unwrap());
    dead.close(Duration::ZERO).await;

    let recorded = bench.recorded(&job.id.to_string(), "completed").await;
    assert_eq!(recorded.body["roomId"], "their-room");
    assert_eq!(recorded.body["submittedAt"], job.submitted_at.get());
    let case = &recorded.body["result"]["testResults"][0];
    assert_eq!(
        (&case["input"], &case["passed"]),
        (&"i".into(), &true.into())
    );
}

#[tokio::test]
async fn a_result_that_never_comes_is_given_up() {
    let bench = Bench::new().await;
    for (age, status) in [(50, "pending"), (70, "lost")] {
        let now = EpochMillis::now().get();
        let execution = Execution {
            job_id: JobId::new(),
            origin: None,
            end: End::Pending,
            recorded_at: EpochMillis::from_millis(now - age * 1_000),
            callback: None,
        };
        bench.store.record(&execution).await.unwrap();
        let answer = bench
            .get(&format!("/api/executions/{}", execution.job_id))
            .await;
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.body["error"].is_null(), status == "pending");
    }
}

#[tokio::test]
async fn the_stream_of_late_results_has_one_recorder() {
    let bench = Bench::new().await;
    bench.api.record_unclaimed().await.unwrap();
    assert!(matches!(
        bench.api.record_unclaimed().await,
        Err(crate::Error::Queue(_))
    ));
}
