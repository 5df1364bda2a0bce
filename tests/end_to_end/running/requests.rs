//! Wrong requests, and the error for each.

use serde_json::{Value, json};

use crate::harness::http::{self, program};
use crate::harness::{machine, warren::Warren};

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_own_clear_error_on_api_and_worker_alike() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let ok = program("python", "print(1)");
    let with = |field: &str, value: Value| {
        let mut body = ok.clone();
        body[field] = value;
        body.to_string()
    };
    let cases: Vec<(String, u16, &str)> = vec![
        ("{".into(), 400, "invalid_json"),
        ("[1]".into(), 400, "invalid_field"),
        (
            json!({"language": "python"}).to_string(),
            400,
            "invalid_field",
        ),
        (with("timeout", json!(60)), 400, "unknown_field"),
        (with("language", json!("cobol")), 400, "unknown_language"),
        (with("compare", json!("fuzzy")), 400, "unknown_compare"),
        (with("compare", json!({"float": 1})), 400, "invalid_field"),
        (with("tolerance", json!(0.1)), 400, "stray_tolerance"),
        (with("stopOnFailure", json!("yes")), 400, "invalid_field"),
        (with("code", json!(" \n")), 400, "empty_code"),
        (with("code", json!("print(1)\u{0}")), 400, "nul_in_code"),
        (
            with("code", json!("x".repeat(10_241))),
            413,
            "code_too_large",
        ),
        (with("code", json!("import os")), 400, "forbidden_code"),
        (
            with("testCases", json!(vec![json!({"expectedOutput": "1"}); 51])),
            400,
            "too_many_test_cases",
        ),
        (
            with("input", json!("x".repeat(256 * 1024 + 1))),
            413,
            "field_too_large",
        ),
        (
            with("input", json!("x".repeat(1024 * 1024))),
            413,
            "body_too_large",
        ),
    ];
    let urls = [
        warren.execute_url(),
        format!("{}/execute", warren.worker.as_ref().expect("a worker")),
    ];
    for (body, status, code) in cases {
        for url in &urls {
            let answer = http::post(url.clone(), "application/json", body.clone().into_bytes())
                .await
                .expect("an answer");
            assert_eq!(
                (answer.status, answer.error_code()),
                (status, code),
                "{url}: {}",
                answer.body
            );
            assert_eq!(answer.body["success"], false);
            assert!(
                !answer.body["error"]["message"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty()
            );
        }
    }
    let exactly = program("python", &format!("{:10240}", "print(1)"));
    let answer = warren.judged(&exactly).await;
    assert_eq!(
        answer.status, 200,
        "10,240 bytes are allowed: {}",
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn forbidden_code_is_reported_with_rule_line_and_column() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let code = "// require('fs')\nconst ok = \"eval(1)\";\nconst fs = require('fs');\n";
    let answer = warren
        .submit(&program("javascript", code))
        .await
        .expect("an answer");
    assert_eq!(
        (answer.status, answer.error_code()),
        (400, "forbidden_code"),
        "{}",
        answer.body
    );
    let violations = answer.body["error"]["details"]["violations"]
        .as_array()
        .expect("violations");
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(
        (&violations[0]["line"], &violations[0]["column"]),
        (&json!(3), &json!(12))
    );
    assert!(
        violations[0]["rule"]
            .as_str()
            .is_some_and(|rule| !rule.is_empty())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rooms_and_unknown_routes_are_refused() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[]).await.expect("warren up starts");
    let api = warren.api.clone().expect("an API");
    let body = program("python", "print(1)");
    let answer = http::submit(format!("{api}/api/rooms/-bad-/execute"), &body)
        .await
        .expect("an answer");
    assert_eq!(
        (answer.status, answer.error_code()),
        (400, "invalid_room"),
        "{}",
        answer.body
    );
    let answer = http::get(format!("{api}/nowhere"))
        .await
        .expect("an answer");
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert!(!answer.error_code().is_empty());
    let answer = http::get(warren.execute_url()).await.expect("an answer");
    assert_eq!(answer.status, 405, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_switch_the_rules_off() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts");
    let answer = warren
        .judged(&program("python", "import os\nprint(os.getpid() > 1)"))
        .await;
    assert_eq!(
        (answer.status, answer.text("stdout")),
        (200, "True\n"),
        "{}",
        answer.body
    );
}
