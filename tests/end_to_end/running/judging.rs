//! Test cases judged by each way to compare, and ended at the first failure.

use serde_json::{Value, json};

use crate::harness::http::{Answer, program};
use crate::harness::{machine, warren::Warren};

/// Prints what it reads, to the byte.
const ECHO: &str = "import fileinput\nprint(*fileinput.input(), sep='', end='')";

/// Makes a submission with `cases`, pairs of input and expected output.
fn judged(code: &str, cases: &[(&str, &str)], more: Value) -> Value {
    let cases = cases
        .iter()
        .map(|(input, expected)| json!({"input": input, "expectedOutput": expected}));
    let mut body = program("python", code);
    body["testCases"] = cases.collect();
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    body
}

async fn ask(warren: &Warren, submission: Value) -> Answer {
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer
}

fn statuses(answer: &Answer) -> Vec<&str> {
    let results = answer.body["testResults"].as_array().expect("results");
    let status = |result: &Value| result["passed"] == (result["status"] == "completed");
    assert!(results.iter().all(status), "{results:?}");
    results
        .iter()
        .map(|result| result["status"].as_str().expect("a status"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_compared_as_the_caller_asks() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    // The comparison, the expected output, the printed output, and the first difference if there is
    // one.
    let difference = |line: u32, expected: Option<&str>, actual: Option<&str>| json!({"line": line, "expected": expected, "actual": actual});
    let examples = [
        (json!({}), "1 \n2", "1\n2\n\n", Value::Null),
        (
            json!({}),
            "1\n2",
            "1\n 2\n",
            difference(2, Some("2"), Some(" 2")),
        ),
        (json!({"compare": "trimmed"}), "1", "1 \n", Value::Null),
        (json!({"compare": "exact"}), "1\n", "1\n", Value::Null),
        (
            json!({"compare": "exact"}),
            "1\n",
            "1",
            difference(2, Some(""), None),
        ),
        (
            json!({"compare": "tokens"}),
            "1 2\n3",
            "1\n2  3\n",
            Value::Null,
        ),
        (
            json!({"compare": "tokens"}),
            "1 2\n3",
            "1 2\n4\n",
            difference(2, Some("3"), Some("4")),
        ),
        (
            json!({"compare": "float"}),
            "0.3 m",
            "0.30000000000000004 m\n",
            Value::Null,
        ),
        (
            json!({"compare": "float"}),
            "0.3",
            "0.31\n",
            difference(1, Some("0.3"), Some("0.31")),
        ),
        (
            json!({"compare": "float", "tolerance": 0.05}),
            "0.3",
            "0.31\n",
            Value::Null,
        ),
        (
            json!({"compare": "unordered"}),
            "a\nb\na",
            "b\na\na\n",
            Value::Null,
        ),
        (
            json!({"compare": "unordered"}),
            "a\nb",
            "b\nc\n",
            difference(2, Some("a"), Some("c")),
        ),
    ];
    for (way, expected, printed, difference) in examples {
        let answer = ask(&warren, judged(ECHO, &[(printed, expected)], way.clone())).await;
        let result = &answer.body["testResults"][0];
        assert_eq!(result["actualOutput"], printed, "{way}");
        assert_eq!(result["firstDifference"], difference, "{way}: {printed:?}");
        let status = if difference.is_null() {
            "completed"
        } else {
            "wrong_answer"
        };
        assert_eq!(statuses(&answer), [status], "{way}: {printed:?}");
        assert_eq!(answer.body["success"], difference.is_null(), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_ends_the_job_only_where_the_caller_wants_it() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let cases = [("1", "1"), ("2", "3"), ("4", "4"), ("5", "6")];
    let all = ["completed", "wrong_answer", "completed", "wrong_answer"];
    for more in [
        json!({}),
        json!({"stopOnFailure": false}),
        json!({"stopOnFailure": null}),
    ] {
        assert_eq!(
            statuses(&ask(&warren, judged(ECHO, &cases, more)).await),
            all
        );
    }
    let stops = json!({"stopOnFailure": true});
    let answer = ask(&warren, judged(ECHO, &cases, stops.clone())).await;
    assert_eq!(
        statuses(&answer),
        ["completed", "wrong_answer", "not_run", "not_run"]
    );
    assert_eq!(answer.text("status"), "wrong_answer");
    assert_eq!(answer.text("stdout"), "2");

    // A crash is a failure too, and so is one on `input`.
    let crashes = "assert input() != '2'\nprint('fine')";
    let cases = [("1", "fine"), ("2", "fine"), ("3", "fine")];
    let answer = ask(&warren, judged(crashes, &cases, stops.clone())).await;
    assert_eq!(statuses(&answer), ["completed", "runtime_error", "not_run"]);
    let more = json!({"stopOnFailure": true, "input": "2"});
    let answer = ask(&warren, judged(crashes, &cases, more)).await;
    assert_eq!(statuses(&answer), ["not_run"; 3]);
    assert_eq!(answer.text("status"), "runtime_error");
    assert!(
        answer.text("stderr").contains("AssertionError"),
        "{:?}",
        answer.body
    );

    // Without a failure nothing is left out.
    let more = json!({"stopOnFailure": true, "input": "0"});
    let answer = ask(
        &warren,
        judged(crashes, &[("1", "fine"), ("3", "fine")], more),
    )
    .await;
    assert_eq!(statuses(&answer), ["completed", "completed"]);
    assert_eq!(answer.body["success"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_test_cases_the_comparison_has_no_effect() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let mut submission = program("python", "print(input())");
    submission["input"] = json!("1");
    submission["compare"] = json!("exact");
    submission["stopOnFailure"] = json!(true);
    let answer = ask(&warren, submission).await;
    assert_eq!(answer.body["success"], true, "{:?}", answer.body);
    assert_eq!(answer.text("stdout"), "1\n");
    assert_eq!(answer.body["testResults"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_cases_are_answered_in_one_request() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let texts: Vec<(String, String)> = (0..10)
        .map(|n| (n.to_string(), (n * n).to_string()))
        .collect();
    let cases: Vec<(&str, &str)> = texts.iter().map(|(n, square)| (&**n, &**square)).collect();
    let answer = ask(
        &warren,
        judged("print(int(input()) ** 2)", &cases, json!({})),
    )
    .await;
    assert_eq!(statuses(&answer), ["completed"; 10]);
    let results = answer.body["testResults"].as_array().expect("results");
    for ((input, expected), result) in cases.iter().zip(results) {
        assert_eq!(result["input"], *input);
        assert_eq!(result["expectedOutput"], *expected);
        assert_eq!(result["actualOutput"], format!("{expected}\n"));
        assert_eq!(
            (&result["stderr"], &result["truncated"]),
            (&json!(""), &json!(false))
        );
        assert!(
            result["durationMs"].as_f64().is_some_and(|ms| ms > 0.0),
            "{result}"
        );
    }
}
