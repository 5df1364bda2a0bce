//! Tests of `/api/health` in each state of the services behind it.

use std::time::Duration;

use tokio::time::Instant;
use warren_queue::QueueLink;

use crate::config::DATABASE_FILE;

use super::bench::{Answer, Bench, Does, HELLO, post, send};

fn states(answer: &Answer) -> [&str; 4] {
    let services = &answer.body["services"];
    [
        answer.body["status"].as_str().unwrap(),
        services["in-process queue"]["status"].as_str().unwrap(),
        services["workers"]["status"].as_str().unwrap(),
        services["sqlite"]["status"].as_str().unwrap(),
    ]
}

#[tokio::test]
async fn everything_is_ok() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    let answer = bench.get("/api/health").await;
    assert_eq!(answer.status, 200);
    assert_eq!(states(&answer), ["ok", "ok", "ok", "ok"]);
    assert!(
        answer.body["instance"]
            .as_str()
            .unwrap()
            .starts_with("api-")
    );
    assert_eq!(answer.body["version"], env!("CARGO_PKG_VERSION"));
    assert!(answer.body["services"]["sqlite"]["latencyMs"].is_number());
    assert_eq!(answer.body["services"]["workers"]["detail"], "1 connected");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn without_workers_it_is_degraded_and_says_what_to_do() {
    let bench = Bench::new().await;
    let answer = bench.get("/api/health").await;
    assert_eq!(answer.status, 200);
    assert_eq!(states(&answer), ["degraded", "ok", "down", "ok"]);
    let detail = answer.body["services"]["workers"]["detail"]
        .as_str()
        .unwrap();
    assert!(detail.contains("warren worker"));
}

#[tokio::test]
async fn without_its_store_it_is_degraded_and_says_what_is_held() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    bench.store.close().await;
    assert_eq!(bench.post(HELLO).await.status, 200);
    let answer = bench.get("/api/health").await;
    assert_eq!(answer.status, 200);
    assert_eq!(states(&answer), ["degraded", "ok", "ok", "down"]);
    let detail = answer.body["services"]["sqlite"]["detail"]
        .as_str()
        .unwrap();
    assert!(detail.contains("wait to be recorded"));
}

#[tokio::test]
async fn a_store_that_answers_but_records_nothing_is_degraded_and_loses_nothing() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    let path = bench.directory.path().join(DATABASE_FILE);
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("ALTER TABLE executions RENAME TO away")
        .unwrap();
    let answer = bench.post(HELLO).await;
    assert_eq!(answer.status, 200);
    let report = bench.health("degraded").await;
    assert_eq!(states(&report), ["degraded", "ok", "ok", "degraded"]);
    let detail = report.body["services"]["sqlite"]["detail"]
        .as_str()
        .unwrap();
    assert!(detail.contains("records nothing"), "{detail}");

    other
        .execute_batch("ALTER TABLE away RENAME TO executions")
        .unwrap();
    bench
        .recorded(answer.body["jobId"].as_str().unwrap(), "completed")
        .await;
    bench.health("ok").await;
}

#[tokio::test]
async fn a_record_that_is_refused_for_good_is_counted_and_holds_nothing_up() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    let path = bench.directory.path().join(DATABASE_FILE);
    let other = rusqlite::Connection::open(&path).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON executions WHEN new.room = 'room-1'
                  BEGIN SELECT RAISE(ABORT, 'never'); END";
    other.execute_batch(refuse).unwrap();
    assert_eq!(bench.post(HELLO).await.status, 200);
    let next = send(&bench.api.router, post("/api/rooms/another/execute", HELLO)).await;
    bench
        .recorded(next.body["jobId"].as_str().unwrap(), "completed")
        .await;
    let report = bench.health("degraded").await;
    let detail = report.body["services"]["sqlite"]["detail"]
        .as_str()
        .unwrap();
    assert!(detail.contains("1 were lost"), "{detail}");
}

#[tokio::test]
async fn a_locked_database_is_waited_for() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    // Another process writes, for longer than we wait for its lock.
    let path = bench.directory.path().join(DATABASE_FILE);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = bench.post(HELLO).await;
    assert_eq!(answer.status, 200);
    bench.health("degraded").await;
    other.execute_batch("ROLLBACK").unwrap();
    bench
        .recorded(answer.body["jobId"].as_str().unwrap(), "completed")
        .await;
    bench.health("ok").await;
}

#[tokio::test]
async fn without_its_queue_it_is_down() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    bench.queue.close(Duration::ZERO).await;
    let answer = bench.get("/api/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(states(&answer), ["down", "down", "down", "ok"]);
}

#[tokio::test]
async fn a_report_stands_for_a_second_and_no_longer() {
    // A machine that is so busy that the second comes after the second of the first shows nothing.
    let bench = loop {
        let bench = Bench::new().await;
        let asked = Instant::now();
        let first = bench.get("/api/health").await;
        bench.worker(Does::Prints("")).await;
        let second = bench.get("/api/health").await;
        if asked.elapsed() < Duration::from_millis(900) {
            assert_eq!(second.body, first.body);
            break bench;
        }
    };
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(bench.get("/api/health").await.body["status"], "ok");
}

#[tokio::test]
async fn ready_means_that_a_request_would_be_run_and_alive_that_it_is_answered() {
    let bench = Bench::new().await;
    let ready = bench.get("/readyz").await;
    assert_eq!(ready.status, 503, "nobody takes jobs");
    assert_eq!(bench.get("/livez").await.status, 200);

    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    assert_eq!(bench.get("/readyz").await.status, 200);
    bench.store.close().await;
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(bench.get("/api/health").await.body["status"], "degraded");
    assert_eq!(
        bench.get("/readyz").await.status,
        200,
        "it runs without its store"
    );

    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    bench.queue.close(Duration::ZERO).await;
    assert_eq!(bench.get("/readyz").await.status, 503);
    assert_eq!(bench.get("/livez").await.status, 200);
}
