//! Tests of callers who hang up: their jobs are cancelled and recorded.

use std::num::NonZeroU16;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt;
use warren_protocol::reply::{Progress, Reply};
use warren_queue::{Deliveries, Delivery, MemoryQueue, Offer, Prefetch, QueueLink, WorkerQueue};

use super::bench::{Bench, EXECUTE, HELLO, SOON, outcome, post};

/// Takes the one slot of a worker.
async fn slot(bench: &Bench) -> (MemoryQueue, Deliveries) {
    let queue = bench.queue.sibling();
    let slots = Prefetch(NonZeroU16::MIN);
    let jobs = queue.deliveries(slots, bench.stop.clone()).await.unwrap();
    (queue, jobs)
}

fn call(bench: &Bench) -> JoinHandle<()> {
    let call = bench.api.router.clone().oneshot(post(EXECUTE, HELLO));
    tokio::spawn(async move { drop(call.await) })
}

async fn hang_up(call: JoinHandle<()>) {
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
}

async fn told(delivery: &Delivery) {
    let token = delivery.cancelled();
    let told = timeout(SOON, token.cancelled()).await;
    told.expect("the worker is told that its job is not wanted");
}

#[tokio::test]
async fn running_and_waiting_jobs_of_callers_who_left_are_recorded_as_cancelled() {
    let bench = Bench::new().await;
    bench.api.record_unclaimed().await.unwrap();
    let (_queue, mut jobs) = slot(&bench).await;
    let running = call(&bench);
    let delivery = jobs.recv().await.and_then(Offer::into_job).unwrap();
    let waiting = call(&bench);
    while bench.queue.status().await.unwrap().waiting == 0 {
        tokio::task::yield_now().await;
    }
    hang_up(waiting).await;
    assert!(!delivery.cancelled().is_cancelled());
    hang_up(running).await;
    told(&delivery).await;

    let id = delivery.job.id.to_string();
    let reply = Reply::cancelled(delivery.job.clone(), Progress::Running);
    delivery.reply(reply).await.unwrap();
    let recorded = bench.recorded(&id, "failed").await;
    assert_eq!(recorded.body["error"]["code"], "cancelled");
    assert_eq!(recorded.body["roomId"], "room-1");
    // No worker gets the job that waited, and the queue is empty.
    assert!(
        timeout(Duration::from_millis(200), jobs.recv())
            .await
            .is_err()
    );
    assert_eq!(bench.queue.status().await.unwrap().waiting, 0);
}

#[tokio::test]
async fn the_job_of_a_caller_who_was_answered_504_goes_on() {
    let bench = Bench::with(|config| config.wait = Duration::from_millis(500)).await;
    bench.api.record_unclaimed().await.unwrap();
    let (_queue, mut jobs) = slot(&bench).await;
    let (answer, delivery) = tokio::join!(bench.post(HELLO), jobs.recv());
    let id = answer.error(504, "timed_out")["jobId"].to_owned();
    // What the API began with its answer is done by the time that this is recorded.
    bench.recorded(id.as_str().unwrap(), "pending").await;
    let delivery = delivery.and_then(Offer::into_job).unwrap();
    assert!(!delivery.cancelled().is_cancelled());
    let job = delivery.job.clone();
    let reply = Reply::new(job.id, Ok(outcome(&job, "late\n"))).about(job);
    delivery.reply(reply).await.unwrap();
    bench.recorded(id.as_str().unwrap(), "completed").await;
}
