//! A worker that is asked directly, while there is no broker.

use std::net::TcpListener;

use serde_json::json;

use crate::harness::http::{self, program};
use crate::harness::{machine, warren::Warren};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_asked_directly_while_there_is_no_broker() {
    let _machine = machine::shared().await;
    let worker = Warren::start("up", &[]).await.expect("warren up starts");
    // Nothing listens there.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let broker = format!("amqp://guest:guest@{}/%2f", closed.expect("a port"));
    let url = worker.worker.as_ref().expect("a worker");
    let variables = [("RABBITMQ_URL", &*broker), ("EXECUTOR_URL", url)];
    let api = Warren::start("api", &variables)
        .await
        .expect("an API without a broker is degraded");

    let ready = http::get(format!("{}/readyz", api.api.as_ref().expect("an API"))).await;
    assert_eq!(ready.expect("an answer").status, 200);
    let mut double = program("python", "print(int(input()) * 2)");
    double["testCases"] =
        json!([{"input": "1", "expectedOutput": "2"}, {"input": "2", "expectedOutput": "5"}]);
    let answer = api.submit(&double).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        (answer.text("engine"), answer.text("status")),
        ("docker", "wrong_answer")
    );
    assert_eq!(answer.text("worker"), worker.instance());
    assert_eq!(
        answer.job_id.as_deref(),
        Some(answer.text("jobId")),
        "the API's own"
    );
    assert_eq!(
        answer.text("stdout"),
        "4\n",
        "of the first case that failed"
    );
    assert_eq!(answer.body["exitCode"], 0);
    assert_eq!(
        answer.body["testResults"][1]["firstDifference"]["expected"],
        "5"
    );
    let begun = worker.begun();
    assert_eq!(begun.len(), 1);
    assert_ne!(
        begun[0].job,
        answer.text("jobId"),
        "the worker gave it another"
    );
}
