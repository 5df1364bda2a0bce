//! Verdicts and refusals as a person reads them.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::path::Path;

use serde_json::Value;
use warren_shared::contract::ExecuteResponse;
use warren_shared::outcome::Status;

/// With colours or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a terminal.
    Coloured,
    /// For files and pipes, and where `NO_COLOR` is set.
    Plain,
}

impl Style {
    /// What suits standard error.
    pub fn of_stderr() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && stderr().is_terminal() {
            Self::Coloured
        } else {
            Self::Plain
        }
    }
}

/// The program's standard error, then one line on how it went.
pub fn verdict(response: &ExecuteResponse, style: Style) -> String {
    let mut text = response.stderr.clone();
    // The verdict starts on a line of its own, also on a terminal that shows both streams.
    let streams_end = if text.is_empty() {
        &response.stdout
    } else {
        &response.stderr
    };
    if !streams_end.is_empty() && !streams_end.ends_with('\n') {
        text.push('\n');
    }
    let (mark, colour) = if response.success {
        ("✓", "\x1b[32m")
    } else {
        ("✗", "\x1b[31m")
    };
    let (on, off) = if style == Style::Coloured {
        (colour, "\x1b[0m")
    } else {
        ("", "")
    };
    let what = describe(response);
    let took = seconds(response.duration_ms);
    let memory = mebibytes(response.memory_bytes);
    let _ = write!(text, "{on}{mark} {what}{off} in {took}, {memory}");
    if response.truncated {
        text.push_str(", output cut");
    }
    text.push('\n');
    text
}

fn describe(response: &ExecuteResponse) -> String {
    let how = match (&response.signal, response.exit_code) {
        (Some(signal), _) => format!("killed by {signal}"),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "no exit status".to_owned(),
    };
    match response.status {
        Status::Completed => "completed".to_owned(),
        Status::RuntimeError => format!("runtime error ({how})"),
        Status::TimeLimitExceeded => "time limit exceeded".to_owned(),
        Status::MemoryLimitExceeded => "memory limit exceeded".to_owned(),
        Status::OutputLimitExceeded => "output limit exceeded".to_owned(),
        Status::WrongAnswer => "wrong answer".to_owned(),
        Status::NotRun => "not run".to_owned(),
    }
}

/// The server's error, its violations as compilers write them.
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
    fn a_failure_says_how_after_what_the_program_said() {
        let failed =
            json!({"success": false, "status": "runtime_error", "exitCode": 3, "stderr": "oh"});
        assert_eq!(
            verdict(&response(failed), Style::Plain),
            "oh\n✗ runtime error (exit status 3) in 12 ms, 8.0 MiB\n"
        );
        let killed = json!({"success": false, "status": "runtime_error", "exitCode": null, "signal": "SIGSEGV"});
        assert!(
            verdict(&response(killed), Style::Coloured)
                .starts_with("\x1b[31m✗ runtime error (killed by SIGSEGV)\x1b[0m")
        );
    }

    #[test]
    fn violations_read_like_a_compilers() {
        let error = json!({"message": "no", "details": {"violations": [{"line": 2, "column": 5, "message": "not eval"}]}});
        assert_eq!(problem(Path::new("a.js"), &error), "a.js:2:5: not eval\n");
        assert_eq!(
            problem(Path::new("a.js"), &json!({"message": "no"})),
            "warren: no\n"
        );
    }
}
