//! Recording through outages of MongoDB.
//!
//! It is a real MongoDB, behind a line that the test cuts.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use tokio_util::sync::CancellationToken;
use warren_api::history::Recorder;
use warren_api::store::{CodeKeeping, JobOrigin, MongoStore, STORE_TIMEOUT, Store, StoreError};
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;
use warren_queue::{ApiQueue, MemoryQueue, Prefetch, QueueLink, WorkerQueue};

use super::find;
use super::sample::{job, outcome, ran};
use crate::harness::mongo::{Database, Line};
use crate::harness::wait::{SOON, until};

/// The most by which a busy machine may exceed [`STORE_TIMEOUT`].
const LATE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_outage_of_mongodb_is_reported_within_the_bound_and_loses_nothing() {
    Database::with(async |database| {
        let line = Line::to(&database, false).await;
        let store: Arc<dyn Store> =
            Arc::new(MongoStore::new(&line.uri(&database)).expect("a valid address"));

        // Unreachable from the first moment: the store is made anyway, and reports that in time.
        let asked = Instant::now();
        assert!(matches!(
            store.ping().await,
            Err(StoreError::Unavailable { .. })
        ));
        assert!(asked.elapsed() < STORE_TIMEOUT + LATE);

        let recorder = Recorder::keeping(CodeKeeping::Whole, Arc::clone(&store));
        let before: Vec<_> = (0..50).map(|n| ran(&job(), &format!("{n}\n"))).collect();
        let handed = Instant::now();
        for execution in &before {
            let _written = recorder.record(execution.clone());
        }
        assert!(handed.elapsed() < STORE_TIMEOUT, "callers never wait");
        until(SOON, "the recorder to notice", async || {
            recorder.backlog().failing
        })
        .await;
        line.mend();
        until(SOON, "it to be written", async || {
            let backlog = recorder.backlog();
            backlog.waiting == 0 && !backlog.failing
        })
        .await;

        // Cut in the middle of writing.
        let during: Vec<_> = (0..300).map(|n| ran(&job(), &format!("{n}\n"))).collect();
        for (n, execution) in during.iter().enumerate() {
            let _written = recorder.record(execution.clone());
            if n == 150 {
                line.cut();
            }
        }
        until(SOON, "the recorder to notice", async || {
            recorder.backlog().failing
        })
        .await;
        line.mend();
        recorder.drain(SOON).await;
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

#[tokio::test]
async fn a_hanging_mongodb_blocks_nobody_longer_than_the_bound() {
    Database::with(async |database| {
        let (line, uri) = database.behind_proxy().await;
        let store = MongoStore::new(&uri).expect("a valid address");
        let execution = ran(&job(), "one\n");
        store.record(&execution).await.expect("it is recorded");
        line.set_deaf(true);
        let asked = Instant::now();
        let (ping, find, record) = tokio::join!(
            store.ping(),
            store.find(execution.job_id),
            store.record(&execution)
        );
        assert!(asked.elapsed() < STORE_TIMEOUT + LATE);
        for result in [ping, find.map(drop), record] {
            assert!(matches!(result, Err(StoreError::Unavailable { .. })));
        }
        line.set_deaf(false);
        until(SOON, "it to come back", async || store.ping().await.is_ok()).await;
        assert_eq!(super::find(&store, execution.job_id).await, execution);
    })
    .await;
}

#[tokio::test]
async fn a_late_result_is_acknowledged_only_once_it_is_recorded() {
    Database::with(async |database| {
        let line = Line::to(&database, false).await;
        let queue = MemoryQueue::new();
        let stop = CancellationToken::new();
        let late = late_result(&queue, &stop).await;

        // The first API finds no store, and ends without having recorded the result.
        let first = queue.sibling();
        let store: Arc<dyn Store> =
            Arc::new(MongoStore::new(&line.uri(&database)).expect("a valid address"));
        let recorder = Arc::new(Recorder::start(Arc::clone(&store)));
        let replies = first
            .unclaimed(stop.clone())
            .await
            .expect("the first to ask");
        tokio::spawn(Arc::clone(&recorder).record_unclaimed(replies));
        until(SOON, "a try", async || recorder.backlog().failing).await;
        recorder.drain(Duration::from_millis(200)).await;
        first.close(Duration::ZERO).await;

        // The next API gets it again.
        line.mend();
        let second = queue.sibling();
        let recorder = Arc::new(Recorder::start(Arc::clone(&store)));
        let replies = second
            .unclaimed(stop.clone())
            .await
            .expect("the first to ask");
        tokio::spawn(Arc::clone(&recorder).record_unclaimed(replies));
        until(SOON, "the result", async || {
            !store.find(late.id).await.is_ok_and(|found| found.is_none())
        })
        .await;
        let found = find(store.as_ref(), late.id).await;
        let origin = JobOrigin {
            source: None,
            ..JobOrigin::from(&late)
        };
        assert_eq!(found.origin, Some(origin));
        stop.cancel();
    })
    .await;
}

/// Makes a job whose caller has left and whose worker has answered.
async fn late_result(queue: &MemoryQueue, stop: &CancellationToken) -> Job {
    let job = job();
    let (caller, worker) = (queue.sibling(), queue.sibling());
    let slots = Prefetch(NonZeroU16::MIN);
    let mut jobs = worker
        .deliveries(slots, stop.clone())
        .await
        .expect("a worker");
    drop(caller.submit(&job).await.expect("it is queued"));
    let offer = jobs.recv().await.expect("the stream goes on");
    let delivery = offer.into_job().expect("the job");
    let reply = Reply::new(job.id, Ok(outcome("late\n"))).about(job.clone());
    delivery.reply(reply).await.expect("the reply is taken");
    job
}
