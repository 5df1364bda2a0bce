//! Tests of requests to Judge0 and of the answers to its reports.

use std::num::NonZeroU16;
use std::time::Duration;

use serde_json::{Value, json};
use warren_protocol::ids::InstanceId;
use warren_protocol::presence::{WorkerState, WorkerStatus};
use warren_protocol::time::EpochMillis;
use warren_queue::{Prefetch, WorkerQueue};

use super::server::{CREATE, Fault, Judge0, decoded};
use super::{bench, bench_with, cat, python};
use crate::tests::bench::{Bench, Does, EXECUTE, HELLO, post, send};

/// How many times to send a program that a busy machine may have no time for.
const TRIES: usize = 20;

#[tokio::test]
async fn a_job_without_a_worker_is_run_and_recorded_like_any_other() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    let answer = bench.post(&python(json!({"input": "42\n"}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["success"], json!(true));
    assert_eq!(answer.body["status"], "completed");
    assert_eq!(answer.body["stdout"], "42\n");
    assert_eq!(
        (&answer.body["exitCode"], &answer.body["signal"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(
        (&answer.body["cpuMs"], &answer.body["durationMs"]),
        (&12.0.into(), &34.0.into())
    );
    assert_eq!(answer.body["memoryBytes"], 3_000 * 1024);
    assert_eq!(answer.body["engine"], "judge0");
    assert_eq!(answer.body["worker"], "127.0.0.1");
    assert_eq!(answer.body["image"], "Python (3.11.2)", "the newest");
    assert_eq!(answer.header("x-job-id"), answer.body["jobId"].as_str());
    let id = answer.body["jobId"].as_str().unwrap();
    let recorded = bench.recorded(id, "completed").await;
    assert_eq!(recorded.body["result"], answer.body);

    let [sent] = &judge0.submitted()[..] else {
        panic!("one submission: {:?}", judge0.submitted());
    };
    assert_eq!(decoded(sent, "source_code"), "print(input())");
    assert_eq!(decoded(sent, "stdin"), "42\n");
    assert_eq!(sent["language_id"], 92);
    assert_eq!(
        sent["enable_network"],
        json!(false),
        "which is on there unless told otherwise"
    );
    assert_eq!(judge0.looks(), [3], "in queue, processing, done");

    // A single submission is cached there for a second.
    let single = |what: &str| what.starts_with("GET /submissions/") && !what.ends_with("/batch");
    assert!(!judge0.seen().iter().any(|seen| single(&seen.what)));

    // Languages and limits are read once.
    assert_eq!(bench.post(HELLO).await.status, 200);
    assert_eq!(
        (
            judge0.count("GET /languages"),
            judge0.count("GET /config_info")
        ),
        (1, 1)
    );
    assert_eq!(judge0.count(CREATE), 2);
}

#[tokio::test]
async fn with_a_worker_nothing_is_sent_to_judge0() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    bench.worker(Does::Prints("hello\n")).await;
    let answer = bench.post(HELLO).await;
    assert_eq!(answer.body["engine"], "docker");
    assert!(judge0.seen().is_empty());
}

#[tokio::test]
async fn test_cases_are_compared_here_and_their_solutions_stay_here() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    // More than fits into one batch.
    let mut cases: Vec<Value> = (0..45)
        .map(|n| json!({"input": format!("{n}"), "expectedOutput": format!("{n}\n")}))
        .collect();
    cases.push(json!({"input": "0.3", "expectedOutput": "0.30000000001"}));
    cases.push(json!({"input": "a b", "expectedOutput": "a secret"}));
    cases.push(json!({"input": "die", "expectedOutput": "die"}));
    cases.push(json!({"input": "loop", "expectedOutput": "loop"}));
    let body = python(json!({"input": "main", "testCases": cases, "compare": "float"}));
    let answer = bench.post(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.body["stdout"], "main",
        "the run on input speaks for the whole"
    );
    assert_eq!(answer.body["status"], "wrong_answer");
    let results = answer.body["testResults"].as_array().unwrap();
    let status = |n: usize| results[n]["status"].as_str().unwrap();
    assert!(
        (0..46).all(|n| results[n]["passed"] == true),
        "{}",
        answer.body
    );
    assert_eq!(status(46), "wrong_answer");
    assert_eq!(results[46]["firstDifference"]["expected"], "a secret");
    assert_eq!(
        (status(47), status(48)),
        ("memory_limit_exceeded", "time_limit_exceeded")
    );

    assert_eq!(judge0.count(CREATE), 3, "in batches of 20");
    let inputs: Vec<String> = judge0
        .submitted()
        .iter()
        .map(|one| decoded(one, "stdin"))
        .collect();
    assert_eq!((inputs.len(), &*inputs[0], &*inputs[1]), (50, "main", "0"));
    for sent in judge0.submitted() {
        assert_eq!(sent["expected_output"], Value::Null);
        assert!(decoded(&sent, "stdin") != "a secret");
    }
}

#[tokio::test]
async fn a_failure_stops_the_rest_if_that_is_asked_for() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    let case = |input: &str| json!({"input": input, "expectedOutput": "ok"});
    let cases = json!([case("ok"), case("throw"), case("ok")]);
    let answer = bench
        .post(&python(json!({"testCases": cases, "stopOnFailure": true})))
        .await;
    let results = answer.body["testResults"].as_array().unwrap();
    let statuses: Vec<_> = results
        .iter()
        .map(|one| one["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["completed", "runtime_error", "not_run"]);
    assert_eq!(
        (&answer.body["exitCode"], &answer.body["stderr"]),
        (&1.into(), &"Error: thrown\n".into())
    );
}

#[tokio::test]
async fn what_is_too_much_for_one_answer_is_asked_for_in_parts() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    // Ten times a mebibyte, in base64, is more than an answer may be.
    let cases = vec![json!({"input": "long", "expectedOutput": "x"}); 10];
    let program = python(json!({"testCases": cases}));
    let mut answer = bench.post(&program).await;
    // On a busy machine this may take longer than its caller waits.
    for _ in 0..TRIES {
        if answer.status != 504 {
            break;
        }
        answer = bench.post(&program).await;
    }
    assert_eq!(
        answer.body["status"], "output_limit_exceeded",
        "{}",
        answer.body
    );
    assert_eq!(answer.body["truncated"], json!(true));

    let answer = bench.post(&python(json!({"input": "half"}))).await;
    assert_eq!(answer.body["status"], "completed");
    assert_eq!(answer.body["stdout"].as_str().unwrap().len(), 65_536);
    assert_eq!(answer.body["truncated"], json!(true));
}

#[tokio::test]
async fn limits_are_clamped_to_what_it_allows() {
    let judge0 = Judge0::allowing(cat, 128_000).await;
    let bench = bench(&judge0).await;
    assert_eq!(bench.post(HELLO).await.status, 200);
    assert_eq!(judge0.submitted()[0]["memory_limit"], 128_000);
}

#[tokio::test]
async fn a_result_after_the_wait_is_where_the_504_says() {
    let judge0 = Judge0::new(cat).await;
    let wait = Duration::from_millis(1_000);
    let bench = bench_with(&judge0, super::KEY, |config| config.wait = wait).await;
    judge0.fail(Some(Fault::Jammed));
    let answer = bench.post(&python(json!({"input": "late"}))).await;
    let details = answer.error(504, "timed_out");
    let id = details["jobId"].as_str().unwrap();
    assert_eq!(details["resultUrl"], format!("/api/executions/{id}"));
    assert_eq!(details["ways"][0]["code"], "no_workers");
    bench.recorded(id, "pending").await;
    judge0.fail(None);
    let recorded = bench.recorded(id, "completed").await;
    assert_eq!(recorded.body["result"]["stdout"], "late");
    assert_eq!(recorded.body["result"]["engine"], "judge0");
    assert_eq!(recorded.body["roomId"], "room-1");
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_looking() {
    let judge0 = Judge0::new(cat).await;
    let bench = bench(&judge0).await;
    judge0.fail(Some(Fault::Jammed));
    let router = bench.api.router.clone();
    let request = tokio::spawn(async move { send(&router, post(EXECUTE, HELLO)).await });
    while judge0.looks().first().is_none_or(|looks| *looks < 3) {
        tokio::task::yield_now().await;
    }
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    // One poll may be on its way. After it there are no more, in as long a time as several took
    // before.
    let mut looks = judge0.looks();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = judge0.looks();
        if now == looks {
            break;
        }
        assert!(now[0] < 1_000, "it goes on");
        looks = now;
    }
}

#[tokio::test]
async fn overflow_runs_on_judge0() {
    let judge0 = Judge0::new(cat).await;
    let wait = Duration::from_secs(2);
    let bench = bench_with(&judge0, super::KEY, |config| config.wait = wait).await;
    let held = overloaded(&bench).await;
    let answer = bench.post(&python(json!({"input": "more"}))).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["engine"]),
        (200, &"judge0".into())
    );

    // A Judge0 that accepts no job either changes nothing.
    judge0.fail(Some(Fault::Create(
        503,
        &[],
        json!({"error": "queue is full"}),
    )));
    let answer = bench.post(HELLO).await;
    let details = answer.error(503, "overloaded");
    let ways = details["ways"].as_array().unwrap();
    assert_eq!(
        (&ways[0]["way"], &ways[1]["way"]),
        (&"queue".into(), &"judge0".into())
    );
    let refused = bench.post("this is no JSON").await;
    refused.error(503, "overloaded");
    held.abort();
}

/// Takes the only slot with a job that does not end.
async fn overloaded(bench: &Bench) -> tokio::task::JoinHandle<()> {
    let queue = bench.queue.sibling();
    let slots = Prefetch(NonZeroU16::MIN);
    let mut jobs = queue.deliveries(slots, bench.stop.clone()).await.unwrap();
    let status = WorkerStatus {
        version: WorkerStatus::VERSION,
        instance: InstanceId::new("worker"),
        state: WorkerState::Ready,
        slots: 1,
        running: 0,
        service: None,
        sent_at: EpochMillis::now(),
    };
    bench.queue.announce(&status).await;
    let router = bench.api.router.clone();
    let caller = tokio::spawn(async move {
        let _queue = queue;
        send(&router, post(EXECUTE, HELLO)).await;
    });
    let taken = jobs.recv().await.unwrap().into_job().unwrap();
    tokio::spawn(async move {
        let _held = (taken, jobs);
        std::future::pending::<()>().await;
    });
    caller
}
