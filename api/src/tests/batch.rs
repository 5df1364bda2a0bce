//! Tests of batches.

use serde_json::{Value, json};
use warren_queue::{MemoryQueue, QueueLink};

use super::bench::{Answer, Bench, Does, HELLO, post, send};

const BATCH: &str = "/api/rooms/room-1/execute/batch";

impl Bench {
    async fn batch(&self, body: &Value) -> Answer {
        send(&self.api.router, post(BATCH, body.to_string())).await
    }
}

fn submissions(count: usize) -> Value {
    let one: Value = serde_json::from_str(HELLO).unwrap();
    json!({ "submissions": vec![one; count] })
}

#[tokio::test]
async fn a_batch_is_taken_as_a_whole() {
    let bench = Bench::recording().await;
    bench.worker(Does::Prints("one of many\n")).await;
    let answer = bench.batch(&submissions(100)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.body["accepted"], 100);
    assert_eq!(answer.body["refused"], 0);
    let jobs = answer.body["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 100);
    for job in jobs {
        let url = job["resultUrl"].as_str().unwrap();
        let ended = bench.get(&format!("{url}?wait=30")).await;
        assert_eq!(ended.body["status"], "completed");
        assert_eq!(ended.body["jobId"], job["jobId"]);
    }
}

#[tokio::test]
async fn one_fault_refuses_a_whole_batch_and_says_where() {
    let bench = Bench::recording().await;
    for (index, fault, status, code, field) in [
        (3, json!({"code": " "}), 400, "empty_code", "submissions[3]"),
        (
            0,
            json!({"language": "cobol"}),
            400,
            "unknown_language",
            "submissions[0]",
        ),
        (
            4,
            json!({"code": "import os"}),
            400,
            "forbidden_code",
            "submissions[4]",
        ),
        (
            2,
            json!({"input": "x".repeat(300_000)}),
            413,
            "field_too_large",
            "submissions[2].input",
        ),
        (
            1,
            json!({"cod": ""}),
            400,
            "unknown_field",
            "submissions[1].cod",
        ),
        (
            1,
            json!({"code": 7}),
            400,
            "invalid_field",
            "submissions[1].code",
        ),
    ] {
        let mut batch = submissions(5);
        let one = batch["submissions"][index].as_object_mut().unwrap();
        one.extend(fault.as_object().unwrap().clone());
        let answer = bench.batch(&batch).await;
        assert_eq!(answer.error(status, code)["field"], field);
    }
    for count in [0, 101] {
        let answer = bench.batch(&submissions(count)).await;
        assert_eq!(answer.error(400, "invalid_batch")["limit"], 100);
    }
    let large =
        json!({ "submissions": [{ "language": "py", "code": "1", "input": "x".repeat(5 << 20) }] });
    let answer = bench.batch(&large).await;
    assert_eq!(answer.error(413, "body_too_large")["limitBytes"], 4 << 20);
    assert_eq!(
        bench.queue.status().await.unwrap().unattended,
        0,
        "nothing was queued"
    );
}

#[tokio::test]
async fn a_batch_that_the_queue_cannot_hold_is_answered_one_by_one() {
    let bench = Bench::recording_on(MemoryQueue::with_capacity(3)).await;
    let answer = bench.batch(&submissions(5)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(
        (&answer.body["accepted"], &answer.body["refused"]),
        (&json!(3), &json!(2))
    );
    let jobs = answer.body["jobs"].as_array().unwrap();
    assert!(jobs[..3].iter().all(|job| job["status"] == "pending"));
    for job in &jobs[3..] {
        assert_eq!(job["status"], "refused");
        assert_eq!(job["error"]["code"], "queue_full");
    }
    // A batch of which nothing is accepted is refused like a single submission.
    bench.batch(&submissions(2)).await.error(503, "queue_full");
}
