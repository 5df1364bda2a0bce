//! Test cases with a sandbox each: parallel runs, with the answer of runs in turn.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::engine::Engine;
use crate::harness::http::{self, Answer};
use crate::harness::wait::{SOON, until};
use crate::harness::{docker, machine, warren::Warren};

/// Sleeps for as long as its input says, and prints it.
const SLEEPS: &str = "import time\nspan = input()\ntime.sleep(float(span))\nprint(span)";

async fn start(slots: &str) -> Warren {
    let variables = [("WARREN_ISOLATION", "case"), ("WARREN_SLOTS", slots)];
    let warren = Warren::start_on(Engine::Native, "up", &variables).await;
    warren.expect("warren up starts")
}

/// Makes a submission whose cases sleep so long, and of which some have a wrong expectation.
fn sleepers(spans: &[&str], wrong: &[usize]) -> Value {
    let cases = spans.iter().enumerate().map(|(case, span)| {
        let expected = if wrong.contains(&case) { "?" } else { span };
        json!({"input": span, "expectedOutput": expected})
    });
    let cases: Vec<_> = cases.collect();
    json!({"language": "python", "code": SLEEPS, "testCases": cases})
}

fn statuses(answer: &Answer) -> Vec<&str> {
    let results = answer.body["testResults"].as_array();
    let results = results.into_iter().flatten();
    results
        .map(|result| result["status"].as_str().unwrap_or_default())
        .collect()
}

fn completed(answer: &Answer) -> usize {
    let statuses = statuses(answer);
    statuses.iter().filter(|one| **one == "completed").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_slots_run_more_cases_in_the_same_time() {
    let _machine = machine::alone().await;
    let submission = sleepers(&["0.4"; 20], &[]);
    let mut run = Vec::new();
    for slots in ["1", "4"] {
        let warren = start(slots).await;
        let answer = warren.submit(&submission).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let completed = completed(&answer);
        let statuses = statuses(&answer);
        let others = statuses.iter().filter(|one| **one != "completed");
        assert!(others.clone().all(|one| *one == "not_run"), "{statuses:?}");
        eprintln!(
            "{slots} slots: {completed} cases in {}",
            answer.body["timings"]
        );
        run.push(completed);
    }
    // Twelve at most fit one after the other, since they sleep: this is no matter of the CPU.
    let [in_turn, in_parallel] = run[..] else {
        panic!("two runs");
    };
    assert!((1..=12).contains(&in_turn), "{in_turn}");
    assert!(in_parallel * 2 > in_turn * 3, "{in_parallel} and {in_turn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_in_the_order_of_the_cases_however_they_end() {
    let _machine = machine::shared().await;
    let warren = start("4").await;
    let spans = ["0.9", "0.1", "0.5", "0", "0.3", "0.2"];
    let mut submission = sleepers(&spans, &[]);
    submission["input"] = json!("0.7");
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    assert_eq!(answer.body["stdout"], "0.7\n");
    let results = answer.body["testResults"].as_array().expect("results");
    let printed = results.iter().map(|result| result["actualOutput"].as_str());
    let expected: Vec<_> = spans.iter().map(|span| format!("{span}\n")).collect();
    assert!(
        printed.eq(expected.iter().map(|line| Some(line.as_str()))),
        "{}",
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_first_failure_nothing_counts_as_run_though_it_was_begun() {
    let _machine = machine::shared().await;
    let warren = start("4").await;
    // The second fails late: the fourth has ended by then, the third and fifth sleep on.
    let mut submission = sleepers(&["0", "1", "2.5", "0", "2.5"], &[1, 3]);
    submission["stopOnFailure"] = json!(true);
    let answer = warren.judged(&submission).await;
    let expected = ["completed", "wrong_answer", "not_run", "not_run", "not_run"];
    assert_eq!(statuses(&answer), expected, "{}", answer.body);
    assert_eq!(answer.body["stdout"], "1\n", "of the first that failed");
    let not_run = &answer.body["testResults"][3];
    assert_eq!(
        (&not_run["actualOutput"], &not_run["durationMs"]),
        (&json!(""), &json!(0.0))
    );
    // What was begun for nothing is not waited for.
    let run = answer.body["timings"]["runMs"].as_f64();
    assert!(run < Some(2_500.0), "{}", answer.body);
}

/// Submits a job that takes both slots, and then a caller's short one. Returns both answers.
async fn with_a_caller_beside(warren: &Warren, many: &Value) -> (Answer, Answer) {
    let (many, beside) = tokio::join!(warren.submit(many), async {
        until(SOON, "both slots are taken", async || {
            free(warren).await == 0
        })
        .await;
        warren.submit(&sleepers(&["0"], &[])).await
    });
    let (many, beside) = (many.expect("an answer"), beside.expect("an answer"));
    assert_eq!((many.status, beside.status), (200, 200), "{}", beside.body);
    assert_eq!(beside.body["success"], true, "{}", beside.body);
    (many, beside)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_beside_gets_a_slot_after_one_run() {
    let _machine = machine::alone().await;
    let warren = start("2").await;
    warren.until_pool_is_full().await;
    // Far more than fits: this job has both slots for all of its five seconds.
    let many = sleepers(&["0.5"; 40], &[]);
    let (many, beside) = with_a_caller_beside(&warren, &many).await;
    assert!(statuses(&many).contains(&"not_run"), "{}", many.body);
    let ended = |answer: &Answer| answer.body["executionTime"].as_u64().expect("a time");
    let before = ended(&many).saturating_sub(ended(&beside));
    // With a slot at the end of the other job only, it would end when that does.
    assert!(before > 1_000, "{before} ms: {}", beside.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_beside_does_not_wait_for_a_long_run() {
    let _machine = machine::alone().await;
    let warren = start("2").await;
    warren.until_pool_is_full().await;
    let many = sleepers(&["2.5"; 4], &[]);
    let (many, beside) = with_a_caller_beside(&warren, &many).await;
    // It had its slot while the runs of the other job slept, and that job lost no verdict by it.
    assert!(beside.took < Duration::from_secs(2), "{:?}", beside.took);
    assert!(completed(&many) >= 1, "{}", many.body);
    let others = statuses(&many).into_iter();
    let mut others = others.filter(|one| *one != "completed");
    assert!(others.all(|one| one == "not_run"), "{}", many.body);
}

/// Returns the number of its worker's free slots.
async fn free(warren: &Warren) -> u64 {
    let worker = warren.worker.as_ref().expect("a worker");
    let metrics = http::get(format!("{worker}/metrics"))
        .await
        .expect("metrics")
        .raw;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("warren_worker_slots_free "));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value
        .and_then(|value| value.parse().ok())
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_leaves_none_of_its_sandboxes() {
    let _machine = machine::alone().await;
    let variables = [
        ("WARREN_ISOLATION", "case"),
        ("WARREN_SLOTS", "3"),
        ("WARREN_POOL_SIZE", "0"),
    ];
    let warren = Warren::start("up", &variables).await;
    let warren = warren.expect("warren up starts");
    let prefer = ("prefer", "respond-async");
    let submission = sleepers(&["2.5"; 9], &[]);
    let accepted = http::with_header(warren.execute_url(), prefer, &submission).await;
    let accepted = accepted.expect("an answer");
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let instance = warren.instance();
    // Nobody waits for it, and nobody else comes: it has every slot.
    docker::until(&instance, "three", |containers| containers.len() == 3).await;
    let api = warren.api.as_ref().expect("an API");
    let job = accepted.job_id.expect("a job");
    let cancelled = http::delete(format!("{api}/api/executions/{job}")).await;
    assert!(cancelled.expect("an answer").status < 300);
    docker::until_none_of(&instance).await;
    until(Duration::from_secs(5), "all slots are free", async || {
        free(&warren).await == 3
    })
    .await;
}
