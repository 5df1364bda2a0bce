//! Every ending that Judge0 reports, and its verdict.

use serde_json::json;

use super::*;

fn report(fields: Value) -> Report {
    let mut all = json!({"token": "t", "time": "0.012", "wall_time": "0.1", "memory": 3_000});
    let fields = fields.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(fields);
    for text in ["stdout", "stderr", "message", "compile_output"] {
        if let Some(plain) = all.get(text).and_then(Value::as_str) {
            // As Ruby does it.
            let packed = STANDARD.encode(plain);
            let lines = packed.as_bytes().chunks(60);
            let lines = lines.map(|line| String::from_utf8(line.to_vec()).unwrap() + "\n");
            all[text] = lines.collect::<String>().into();
        }
    }
    serde_json::from_value(all).unwrap()
}

fn run(fields: Value) -> Run {
    report(fields)
        .judge(&Limits::default(), 1024)
        .ok()
        .unwrap()
        .run
}

fn verdict(fields: Value) -> (Status, Option<i32>, Option<String>) {
    let run = run(fields);
    (run.status, run.exit_code, run.signal)
}

fn no_verdict(fields: Value) -> NoVerdict {
    report(fields)
        .judge(&Limits::default(), 1024)
        .err()
        .unwrap()
}

fn named(signal: &str) -> Option<String> {
    Some(signal.to_owned())
}

#[test]
fn each_status_has_its_verdict() {
    use Status::{
        Completed, MemoryLimitExceeded, OutputLimitExceeded, RuntimeError, TimeLimitExceeded,
    };
    let of = |id: u32, more: Value| {
        let mut fields = more;
        fields["status"] = json!({"id": id, "description": "…"});
        verdict(fields)
    };
    let none = || json!({"exit_code": 0, "exit_signal": null});
    assert_eq!(of(3, none()), (Completed, Some(0), None));
    assert_eq!(of(5, none()), (TimeLimitExceeded, None, named("SIGKILL")));
    assert_eq!(
        of(6, json!({"compile_output": "no"})),
        (RuntimeError, Some(1), None)
    );
    assert_eq!(
        of(7, json!({"exit_signal": 11})),
        (RuntimeError, None, named("SIGSEGV"))
    );
    assert_eq!(of(8, none()), (OutputLimitExceeded, None, named("SIGKILL")));
    assert_eq!(of(9, none()), (RuntimeError, None, named("SIGFPE")));
    assert_eq!(of(10, none()), (RuntimeError, None, named("SIGABRT")));
    assert_eq!(
        of(12, json!({"exit_signal": 31})),
        (RuntimeError, None, named("SIGSYS"))
    );
    let code = |code: i32| json!({"exit_code": code, "message": format!("Exited with error status {code}")});
    assert_eq!(of(11, code(3)), (RuntimeError, Some(3), None));
    // Killed, which is for want of memory.
    assert_eq!(
        of(11, code(137)),
        (MemoryLimitExceeded, None, named("SIGKILL"))
    );
    let message = json!({"message": "Exited with error code 137"});
    assert_eq!(of(11, message).0, MemoryLimitExceeded);
    let signal = json!({"exit_signal": 9, "message": "Caught fatal signal 9"});
    assert_eq!(of(12, signal).0, MemoryLimitExceeded);
    // 139 is the program's own, unless the shell says that it was a signal's.
    assert_eq!(of(11, code(139)), (RuntimeError, Some(139), None));
    let mut shell = code(139);
    shell["stderr"] = "run.sh: line 1:     4 Segmentation fault (core dumped) python3".into();
    assert_eq!(of(11, shell), (RuntimeError, None, named("SIGSEGV")));
}

#[test]
fn interpreters_that_give_up_have_a_memory_verdict() {
    let python = json!({"status": {"id": 11}, "exit_code": 1,
        "stderr": "Traceback (most recent call last):\n  File \"script.py\", line 1\nMemoryError\n"});
    assert_eq!(
        verdict(python),
        (Status::MemoryLimitExceeded, Some(1), None)
    );
    let node = json!({"status": {"id": 11}, "exit_code": 134, "stderr":
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\nrun.sh: line 1: 4 Aborted"});
    assert_eq!(
        verdict(node),
        (Status::MemoryLimitExceeded, None, named("SIGABRT"))
    );
    let said = json!({"status": {"id": 11}, "exit_code": 1, "stderr": "MemoryError"});
    assert_eq!(verdict(said).0, Status::RuntimeError, "no traceback");
}

#[test]
fn judge0s_own_failures_are_no_verdicts() {
    let internal = json!({"status": {"id": 13}, "message": "No such file"});
    assert_eq!(
        no_verdict(internal),
        NoVerdict::InternalError("No such file".into())
    );
    assert_eq!(
        no_verdict(json!({"status": {"id": 14}})),
        NoVerdict::ExecFormat
    );
    for garbage in [json!({"status": {"id": 99}}), json!({"status": {"id": 11}})] {
        assert!(matches!(no_verdict(garbage), NoVerdict::Garbage(_)));
    }
    let mut garbage = report(json!({"status": {"id": 3}}));
    garbage.stdout = Some("!not base64!".into());
    assert!(garbage.judge(&Limits::default(), 1024).is_err());
}

#[test]
fn figures_are_in_our_units() {
    let run = run(json!({"status": {"id": 3}, "exit_code": 0}));
    assert_eq!(run.cpu, Duration::from_millis(12));
    assert_eq!(run.duration, Duration::from_millis(100));
    assert_eq!(run.memory_bytes, 3_000 * 1024);
    let nothing = json!({"status": {"id": 3}, "time": null, "wall_time": -1, "memory": null});
    let run = self::run(nothing);
    assert_eq!(
        (run.cpu, run.duration, run.memory_bytes),
        (Duration::ZERO, Duration::ZERO, 0)
    );
}

#[test]
fn output_is_cut_at_our_cap_and_a_flood_at_judge0s_is_one() {
    let run = run(json!({"status": {"id": 3}, "stdout": "ä".repeat(40_000)}));
    assert_eq!(
        (run.stdout.text.len(), run.stdout.truncated),
        (65_536, true)
    );
    assert_eq!(run.status, Status::Completed);
    // Python ignores the signal and fails to write the rest.
    let flood = json!({"status": {"id": 11}, "exit_code": 1, "stdout": "x".repeat(1 << 20)});
    assert_eq!(
        verdict(flood),
        (Status::OutputLimitExceeded, None, named("SIGKILL"))
    );
}
