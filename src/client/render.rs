//! Formats verdicts and refusals for people.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::path::Path;

use serde_json::Value;
use warren_protocol::contract::{ExecuteResponse, TestResult};
use warren_protocol::outcome::Status;

use crate::terminal::visible;

/// A style of text: with colours or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Coloured, for a terminal.
    Coloured,
    /// Plain, for files and pipes, and if `NO_COLOR` is set.
    Plain,
}

impl Style {
    /// Returns the style that suits standard error.
    pub fn of_stderr() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && stderr().is_terminal() {
            Self::Coloured
        } else {
            Self::Plain
        }
    }
}

/// Formats one line with the verdict and one with the hint, if there is one. They come after the
/// program's standard error.
pub fn verdict(response: &ExecuteResponse, style: Style) -> String {
    let mut text = String::new();
    // The verdict starts on a line of its own, also on a terminal that shows both streams.
    let streams_end = if response.stderr.is_empty() {
        &response.stdout
    } else {
        &response.stderr
    };
    if !streams_end.is_empty() && !streams_end.ends_with('\n') {
        text.push('\n');
    }
    let (mark, colour) = mark(response.success);
    let (on, off) = colours(style, colour);
    let what = describe(response);
    let took = seconds(response.duration_ms);
    let memory = mebibytes(response.memory_bytes);
    let _ = write!(text, "{on}{mark} {what}{off} in {took}, {memory}");
    if response.truncated {
        text.push_str(", output cut");
    }
    text.push('\n');
    if let Some(hint) = &response.hint {
        let _ = writeln!(text, "  hint: {}", visible(hint));
    }
    text
}

fn describe(response: &ExecuteResponse) -> String {
    let how = match (&response.signal, response.exit_code) {
        (Some(signal), _) => format!("killed by {}", visible(signal)),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "no exit status".to_owned(),
    };
    match response.status {
        Status::RuntimeError => format!("runtime error ({how})"),
        status => words(status),
    }
}

/// Formats one line for each test case, and the difference of a wrong answer.
pub fn cases(results: &[TestResult], style: Style) -> String {
    let numbered = results.iter().enumerate();
    numbered.fold(String::new(), |mut text, (index, result)| {
        let (mark, colour) = mark(result.passed);
        let (on, off) = colours(style, colour);
        let what = words(result.status);
        let took = seconds(result.duration_ms);
        let _ = writeln!(
            text,
            "  {on}{mark} case {}{off}  {what:<21}  {took}",
            index + 1
        );
        if let Some(first) = &result.first_difference {
            let line = |text: &Option<String>| match text {
                Some(line) => format!("{line:?}"),
                None => "nothing".to_owned(),
            };
            let (expected, actual) = (line(&first.expected), line(&first.actual));
            let _ = writeln!(
                text,
                "      line {}: expected {expected}, got {actual}",
                first.line
            );
        }
        text
    })
}

fn mark(success: bool) -> (&'static str, &'static str) {
    if success {
        ("✓", "\x1b[32m")
    } else {
        ("✗", "\x1b[31m")
    }
}

fn colours(style: Style, colour: &'static str) -> (&'static str, &'static str) {
    match style {
        Style::Coloured => (colour, "\x1b[0m"),
        Style::Plain => ("", ""),
    }
}

/// Formats a status as words.
fn words(status: Status) -> String {
    status.as_str().replace('_', " ")
}

/// Formats the server's error.
pub fn advice(error: &Value) -> String {
    problem(Path::new(""), error)
}

/// Formats the server's error, with violations in the form of a compiler's errors.
pub fn problem(file: &Path, error: &Value) -> String {
    let violations = error["details"]["violations"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if violations.is_empty() {
        return format!(
            "warren: {}\n",
            error["message"].as_str().unwrap_or_default()
        );
    }
    violations
        .iter()
        .fold(String::new(), |mut text, violation| {
            let message = violation["message"].as_str().unwrap_or_default();
            let _ = writeln!(
                text,
                "{}:{}:{}: {message}",
                file.display(),
                violation["line"],
                violation["column"]
            );
            text
        })
}

fn seconds(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown with one digit after the point"
)]
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn response(change: Value) -> ExecuteResponse {
        let mut body = json!({
            "success": true, "jobId": "0193a5c0-0000-7000-8000-000000000000", "status": "completed",
            "stdout": "hi\n", "stderr": "", "exitCode": 0, "signal": null, "executionTime": 1,
            "durationMs": 12.3, "cpuMs": 9.0, "memoryBytes": 8_388_608, "truncated": false,
            "timings": { "queueMs": 1.0, "sandboxMs": 2.0, "runMs": 3.0 }, "worker": "worker-1", "image": "i",
        });
        for (field, value) in change.as_object().unwrap() {
            body[field] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn a_success_is_one_line() {
        assert_eq!(
            verdict(&response(json!({})), Style::Plain),
            "✓ completed in 12 ms, 8.0 MiB\n"
        );
    }

    #[test]
    fn a_failure_is_explained_on_a_line_of_its_own() {
        let failed =
            json!({"success": false, "status": "runtime_error", "exitCode": 3, "stderr": "oh"});
        assert_eq!(
            verdict(&response(failed), Style::Plain),
            "\n✗ runtime error (exit status 3) in 12 ms, 8.0 MiB\n"
        );
        let slow = json!({"success": false, "status": "time_limit_exceeded", "signal": "SIGKILL", "hint": "Hold less."});
        assert!(verdict(&response(slow), Style::Plain).ends_with("MiB\n  hint: Hold less.\n"));
        let killed = json!({"success": false, "status": "runtime_error", "exitCode": null, "signal": "SIGSEGV"});
        assert!(
            verdict(&response(killed), Style::Coloured)
                .starts_with("\x1b[31m✗ runtime error (killed by SIGSEGV)\x1b[0m")
        );
    }

    #[test]
    fn nothing_of_a_programs_reaches_the_styled_text_as_it_came() {
        let hostile = "\x1b[2K\u{9b}A\u{202e}\u{7f}";
        let killed = json!({"success": false, "status": "runtime_error", "exitCode": null,
            "signal": hostile, "hint": hostile, "stdout": hostile, "stderr": hostile});
        let first = json!({"line": 1, "expected": hostile, "actual": hostile});
        let case = json!({"passed": false, "status": "wrong_answer", "input": hostile,
            "expectedOutput": hostile, "actualOutput": hostile, "stderr": hostile,
            "durationMs": 12.0, "truncated": false, "firstDifference": first});
        let results: Vec<TestResult> = serde_json::from_value(json!([case])).unwrap();
        let text = verdict(&response(killed), Style::Plain) + &cases(&results, Style::Plain);
        assert_eq!(visible(&text), text);
    }

    #[test]
    fn each_case_is_a_line_and_a_wrong_one_shows_the_difference() {
        let case = |passed: bool, status: &str, first: Value| {
            json!({"passed": passed, "status": status, "input": "", "expectedOutput": "2", "actualOutput": "3",
                "stderr": "", "durationMs": 12.0, "truncated": false, "firstDifference": first})
        };
        let first = json!({"line": 1, "expected": "2", "actual": null});
        let results = json!([
            case(true, "completed", Value::Null),
            case(false, "wrong_answer", first)
        ]);
        let results: Vec<TestResult> = serde_json::from_value(results).unwrap();
        let text = cases(&results, Style::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("  ✓ case 1  completed "), "{text}");
        assert!(lines[1].starts_with("  ✗ case 2  wrong answer "), "{text}");
        assert_eq!(lines[2], "      line 1: expected \"2\", got nothing");
    }

    #[test]
    fn violations_read_like_a_compilers_errors() {
        let error = json!({"message": "no", "details": {"violations": [{"line": 2, "column": 5, "message": "not eval"}]}});
        assert_eq!(problem(Path::new("a.js"), &error), "a.js:2:5: not eval\n");
        assert_eq!(
            problem(Path::new("a.js"), &json!({"message": "no"})),
            "warren: no\n"
        );
    }
}
