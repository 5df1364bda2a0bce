//! Submissions with test cases.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::http::Answer;
use crate::harness::wait::SOON;
use crate::harness::{machine, warren::Warren};

/// The time within which every request is answered, whatever the machine does.
const PROMISED: Duration = Duration::from_millis(5_500);

const DOUBLE: &str = "print(int(input()) * 2)";

#[tokio::test(flavor = "multi_thread")]
async fn each_case_is_judged_on_its_own() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let submission = json!({
        "language": "python", "code": DOUBLE,
        "testCases": [
            {"input": "1", "expectedOutput": "2"},
            {"input": "2", "expectedOutput": "5"},
            {"input": "x", "expectedOutput": "?"},
        ],
    });
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.body["success"], false);
    assert_eq!(answer.body["status"], "wrong_answer");
    assert_eq!(
        answer.body["stdout"], "4\n",
        "the first failing case speaks for the whole"
    );
    let results = answer.body["testResults"].as_array().expect("results");
    let told: Vec<_> = results
        .iter()
        .map(|r| {
            (
                r["passed"].as_bool().unwrap(),
                r["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (true, "completed"),
            (false, "wrong_answer"),
            (false, "runtime_error")
        ]
    );
    assert_eq!(
        results[1]["firstDifference"],
        json!({"line": 1, "expected": "5", "actual": "4"})
    );
    assert_eq!(results[1]["expectedOutput"], "5");
    assert_eq!(results[1]["actualOutput"], "4\n");
    assert!(
        results[2]["stderr"]
            .as_str()
            .unwrap()
            .contains("ValueError")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_cases_passed_is_a_success_and_input_is_a_run_of_its_own() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let submission = json!({
        "language": "javascript",
        "code": "let t='';process.stdin.on('data',d=>t+=d);process.stdin.on('end',()=>console.log(t.length));",
        "input": "four",
        "testCases": [{"input": "12345", "expectedOutput": "5"}, {"expectedOutput": "0"}],
    });
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.body["success"], true, "{:?}", answer.body);
    assert_eq!(answer.body["stdout"], "4\n");
    assert_eq!(answer.body["testResults"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_survives_from_one_case_to_the_next() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts");
    let code = "import os\nprint(sorted(os.listdir('/tmp')))\nopen('/tmp/left', 'w').write('x')\nos.makedirs('/tmp/a/b')\n\
                os.chmod('/tmp/a', 0)\nif os.fork() == 0:\n    os.setsid()\n    while True: pass\n";
    let case = json!({"input": "", "expectedOutput": "['main.py']"});
    let submission = json!({"language": "python", "code": code, "testCases": [case, case, case]});
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.body["success"], true, "{:?}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_that_no_longer_fit_are_not_run_and_the_others_are_answered() {
    let _machine = machine::alone().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let code = "n = int(input())\nwhile n: pass\nprint('done')";
    let case = |n: u32| json!({"input": n.to_string(), "expectedOutput": "done"});
    let submission = json!({"language": "python", "code": code, "testCases": [case(0), case(1), case(1), case(0)]});
    // A busy machine may take so long to begin that the endless case no longer fits either.
    let answer = until_run(&warren, &submission, 2).await;
    let results = answer.body["testResults"].as_array().expect("results");
    let told: Vec<_> = results
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        ["completed", "time_limit_exceeded", "not_run", "not_run"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_cases_that_fit_are_answered_in_full() {
    let _machine = machine::alone().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let case = json!({"expectedOutput": "done"});
    let submission = json!({
        "language": "python", "code": "import time\ntime.sleep(1.5)\nprint('done')",
        "testCases": [case, case, case, case],
    });
    let answer = until_run(&warren, &submission, 1).await;
    let results = answer.body["testResults"].as_array().expect("results");
    let ran = results
        .iter()
        .take_while(|r| r["status"] == "completed" && r["actualOutput"] == "done\n");
    let ran = ran.count();
    assert!((1..4).contains(&ran), "{results:?}");
    assert!(
        results[ran..]
            .iter()
            .all(|r| r["status"] == "not_run" && r["actualOutput"] == ""),
        "{results:?}"
    );
    assert_eq!(answer.body["status"], "not_run");
}

/// Submits until the machine had time for so many of the cases; every answer must be in time.
async fn until_run(warren: &Warren, submission: &Value, cases: usize) -> Answer {
    let started = Instant::now();
    loop {
        let answer = warren.submit(submission).await.expect("an answer");
        assert!(answer.took < PROMISED, "{:?}", answer.took);
        let results = answer.body["testResults"].as_array();
        let run = results.into_iter().flatten().take(cases);
        let run = run.filter(|result| result["status"] != "not_run").count();
        if run == cases || !(answer.is_late() || answer.status == 200) || started.elapsed() > SOON {
            assert_eq!(answer.status, 200, "{:?}", answer.body);
            return answer;
        }
    }
}
