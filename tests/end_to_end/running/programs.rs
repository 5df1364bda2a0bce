//! Real programs in both languages, and the verdict on each.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::http::{Answer, program};
use crate::harness::wait::SOON;
use crate::harness::{corpus, machine, warren::Warren};

/// The time within which every request is answered, whatever the machine does.
const PROMISED: Duration = Duration::from_millis(5_500);

async fn up() -> Warren {
    Warren::start("up", &[]).await.expect("warren up starts")
}

/// Returns the verdict on a program that ends by itself.
async fn run(warren: &Warren, fixture: &str, input: Option<&str>) -> Answer {
    let mut submission = program(corpus::language(fixture), &corpus::source(fixture));
    submission["input"] = json!(input);
    let answer = warren.judged(&submission).await;
    assert_is_verdict(warren, fixture, &answer);
    answer
}

/// Returns the verdict on a program that never ends.
async fn run_endless(warren: &Warren, fixture: &str) -> Answer {
    let submission = program(corpus::language(fixture), &corpus::source(fixture));
    let started = Instant::now();
    let mut answer = warren.submit(&submission).await.expect("an answer");
    while answer.is_late() && started.elapsed() < SOON {
        answer = warren.submit(&submission).await.expect("an answer");
    }
    assert_is_verdict(warren, fixture, &answer);
    answer
}

fn assert_is_verdict(warren: &Warren, fixture: &str, answer: &Answer) {
    assert_eq!(
        answer.status,
        200,
        "{fixture}: {:?}\n{}",
        answer.body,
        warren.log()
    );
}

fn assert_fields(fixture: &str, answer: &Answer, expected: &Value) {
    for (field, value) in expected.as_object().expect("an object of expected fields") {
        assert_eq!(
            &answer.body[field], value,
            "{fixture}: {field} in {}",
            answer.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_programs_are_answered_with_what_they_printed() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let ok = |stdout: &str| json!({"success": true, "status": "completed", "exitCode": 0, "signal": null, "stdout": stdout, "stderr": "", "truncated": false});
    let input = "one\ntwo\nthree";
    let cases = [
        ("python/hello.py", None, ok("hello\n")),
        ("javascript/hello.js", None, ok("hello\n")),
        ("python/echo_stdin.py", Some(input), ok("one|two|three\n")),
        (
            "javascript/echo_stdin.js",
            Some(input),
            ok("one|two|three\n"),
        ),
        ("python/echo_stdin.py", None, ok("\n")),
        ("python/unicode.py", None, ok("grüße, 世界 🐇\nf09f9880\n")),
        (
            "javascript/unicode.js",
            None,
            ok("grüße, 世界 🐇\nf09f9880\n"),
        ),
        (
            "python/own_names.py",
            None,
            ok("7 7 gave up 6\n[2, '2'] 4.0\n"),
        ),
        (
            "javascript/own_names.js",
            None,
            ok("6 5 ended,gone 42\n2 1 2 12\n"),
        ),
        (
            "python/exit_status_7.py",
            None,
            json!({"success": false, "status": "runtime_error", "exitCode": 7, "stdout": "leaving\n"}),
        ),
        (
            "javascript/exit_status_7.js",
            None,
            json!({"success": false, "status": "runtime_error", "exitCode": 7, "stdout": "leaving\n"}),
        ),
    ];
    for (fixture, input, expected) in cases {
        let answer = run(&warren, fixture, input).await;
        assert_fields(fixture, &answer, &expected);
    }
}

/// Threads, processes, sockets, files, timers, databases, machine code: no filter blocks them.
#[tokio::test(flavor = "multi_thread")]
async fn system_features_that_ordinary_programs_use_work() {
    let _machine = machine::shared().await;
    let warren = Warren::start("up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts");
    let python =
        "threads processes event_loop signals local_sockets files databases numbers the_machine";
    let javascript =
        "threads processes sockets files cryptography machine_code time_and_signals the_machine";
    for (fixture, parts) in [
        ("python/uses_the_library.py", python),
        ("javascript/uses_the_library.js", javascript),
    ] {
        for part in parts.split(' ') {
            let answer = run(&warren, fixture, Some(part)).await;
            let says = format!("{part} done\n");
            let expected = json!({"status": "completed", "stdout": says, "stderr": ""});
            assert_fields(fixture, &answer, &expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_every_field_of_the_contract() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let before = epoch_ms();
    let answer = run(&warren, "python/hello.py", None).await;
    let after = epoch_ms();
    let finished = answer.body["executionTime"]
        .as_u64()
        .expect("epoch milliseconds");
    assert!(
        (before..=after).contains(&finished),
        "{before} {finished} {after}"
    );
    for field in ["durationMs", "cpuMs", "memoryBytes"] {
        assert!(
            answer.body[field].as_f64().is_some_and(|n| n > 0.0),
            "{field} in {}",
            answer.body
        );
    }
    for field in ["queueMs", "sandboxMs", "runMs"] {
        assert!(
            answer.body["timings"][field]
                .as_f64()
                .is_some_and(|n| n >= 0.0),
            "{field} in {}",
            answer.body
        );
    }
    for field in ["jobId", "worker", "image"] {
        assert!(!answer.text(field).is_empty(), "{field} in {}", answer.body);
    }
    assert!(
        answer.body.get("testResults").is_none(),
        "no test cases were sent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_programs_say_why() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let cases = [
        (
            "python/uncaught_exception.py",
            "before\n",
            "IndexError: list index out of range",
        ),
        (
            "javascript/uncaught_exception.js",
            "before\n",
            "TypeError: Cannot read properties of undefined",
        ),
        (
            "javascript/unhandled_rejection.js",
            "before\n",
            "nobody listens",
        ),
        ("python/syntax_error.py", "", "SyntaxError"),
        ("javascript/syntax_error.js", "", "SyntaxError"),
    ];
    for (fixture, stdout, stderr) in cases {
        let answer = run(&warren, fixture, None).await;
        assert_fields(
            fixture,
            &answer,
            &json!({"success": false, "status": "runtime_error", "exitCode": 1, "stdout": stdout}),
        );
        assert!(
            answer.text("stderr").contains(stderr),
            "{fixture}: {}",
            answer.text("stderr")
        );
        let file = if fixture.ends_with("py") {
            "main.py"
        } else {
            "main.js"
        };
        assert!(
            answer.text("stderr").contains(file),
            "{fixture} names its file: {}",
            answer.text("stderr")
        );
    }
    let answer = run(&warren, "python/killed_by_sigsegv.py", None).await;
    assert_fields(
        "sigsegv",
        &answer,
        &json!({"success": false, "status": "runtime_error", "exitCode": null, "signal": "SIGSEGV"}),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_programs_are_stopped_in_time_with_their_output_so_far() {
    let _machine = machine::alone().await;
    let warren = up().await;
    for fixture in [
        "python/endless_loop.py",
        "python/endless_sleep.py",
        "javascript/endless_loop.js",
        "javascript/endless_wait.js",
    ] {
        let answer = run_endless(&warren, fixture).await;
        assert_fields(
            fixture,
            &answer,
            &json!({"success": false, "status": "time_limit_exceeded", "stdout": "so far\n"}),
        );
        assert!(answer.took < PROMISED, "{fixture} took {:?}", answer.took);
        assert!(
            answer.body["durationMs"]
                .as_f64()
                .is_some_and(|ms| ms >= 3000.0),
            "{}",
            answer.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_hogs_get_a_memory_verdict() {
    let _machine = machine::alone().await;
    let warren = up().await;
    for fixture in [
        "python/memory_hog_heap.py",
        "python/memory_hog_buffer.py",
        "python/memory_hog_one_allocation.py",
        "javascript/memory_hog_heap.js",
        "javascript/memory_hog_buffer.js",
    ] {
        let answer = run(&warren, fixture, None).await;
        assert_fields(
            fixture,
            &answer,
            &json!({"success": false, "status": "memory_limit_exceeded"}),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_are_cut_and_stopped() {
    let _machine = machine::shared().await;
    let warren = up().await;
    for fixture in ["python/output_flood.py", "javascript/output_flood.js"] {
        let answer = run(&warren, fixture, None).await;
        assert_fields(
            fixture,
            &answer,
            &json!({"success": false, "status": "output_limit_exceeded", "truncated": true}),
        );
        assert_eq!(answer.text("stdout").len(), 64 * 1024, "{fixture}");
    }
    for fixture in ["python/output_over_cap.py", "javascript/output_over_cap.js"] {
        let answer = run(&warren, fixture, None).await;
        assert_fields(
            fixture,
            &answer,
            &json!({"success": true, "status": "completed", "truncated": true}),
        );
        assert_eq!(answer.text("stdout"), "x".repeat(64 * 1024), "{fixture}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_is_never_read_is_no_obstacle() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let input = "x".repeat(200 * 1024);
    for fixture in [
        "python/never_reads_stdin.py",
        "javascript/never_reads_stdin.js",
    ] {
        let answer = run(&warren, fixture, Some(&input)).await;
        assert_fields(
            fixture,
            &answer,
            &json!({"success": true, "stdout": "not interested\n"}),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_not_text_is_replaced_and_the_rest_kept() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let answer = run(&warren, "python/invalid_utf8_output.py", None).await;
    assert_fields(
        "invalid utf-8",
        &answer,
        &json!({"success": true, "stdout": "a\u{fffd}\u{0}b\n"}),
    );
}

fn epoch_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    u64::try_from(since.as_millis()).expect("a date")
}
