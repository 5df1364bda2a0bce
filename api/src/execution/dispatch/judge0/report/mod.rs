//! Converts Judge0's report on one submission into a verdict.

#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use warren_protocol::limits::Limits;
use warren_protocol::outcome::{Captured, Run, Status};
use warren_protocol::signal;

/// The fields that are requested.
pub(super) const FIELDS: &str =
    "token,status,time,wall_time,memory,stdout,stderr,compile_output,message,exit_code,exit_signal";
/// The signal of a program that was killed, usually because memory ran out.
const SIGKILL: i32 = 9;
/// The base of a shell's exit code for a command that a signal ended; the signal's number is added.
const SHELL_SIGNAL: i32 = 128;

/// Judge0's report on one submission. Texts are base64 with line feeds in it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    pub(super) token: String,
    pub(super) status: StatusEntry,
    /// CPU time: a string in seconds.
    #[serde(default)]
    time: Value,
    /// Wall time, likewise.
    #[serde(default)]
    wall_time: Value,
    /// Memory in kilobytes.
    memory: Option<f64>,
    stdout: Option<String>,
    stderr: Option<String>,
    compile_output: Option<String>,
    message: Option<String>,
    exit_code: Option<i32>,
    exit_signal: Option<i32>,
}

/// The status of a submission.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct StatusEntry {
    id: u32,
}

/// The reason why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoVerdict {
    /// Status 13: Judge0 failed, with this message.
    InternalError(String),
    /// Status 14: its interpreter cannot be started.
    ExecFormat,
    /// A report that Judge0 never makes.
    Garbage(&'static str),
}

/// The verdict on a run, and its output as it was printed, for comparing.
pub(super) struct Judged {
    pub(super) run: Run,
    pub(super) stdout: Vec<u8>,
}

impl Report {
    /// Returns whether the submission is done.
    pub(super) fn is_done(&self) -> bool {
        self.status.id > 2
    }

    /// Returns our verdict. `file_kb` is the largest file that the program could write.
    pub(super) fn judge(&self, limits: &Limits, file_kb: u64) -> Result<Judged, NoVerdict> {
        let (mut stdout, mut stderr) = (
            decode(self.stdout.as_deref())?,
            decode(self.stderr.as_deref())?,
        );
        let flood = usize::try_from(file_kb * 1024).unwrap_or(usize::MAX);
        let flooded = stdout.len() >= flood || stderr.len() >= flood;
        let ending = match self.status.id {
            // 4 needs an expected output, which we do not send.
            3 | 4 => Ending::exit(Status::Completed, 0),
            5 => Ending::killed(Status::TimeLimitExceeded),
            6 => {
                stderr = decode(self.compile_output.as_deref())?;
                Ending::exit(Status::RuntimeError, 1)
            }
            8 => Ending::killed(Status::OutputLimitExceeded),
            7 | 9..=12 => self.runtime_error(&stderr)?,
            13 => {
                let words = decode(self.message.as_deref())?;
                let words = String::from_utf8_lossy(&words).into_owned();
                return Err(NoVerdict::InternalError(words));
            }
            14 => return Err(NoVerdict::ExecFormat),
            _ => return Err(NoVerdict::Garbage("a status that there is not")),
        };
        // A program that ignores SIGXFSZ, as in Python, fails or even completes without the rest.
        let ending = match ending.status {
            Status::Completed | Status::RuntimeError if flooded => {
                Ending::killed(Status::OutputLimitExceeded)
            }
            _ => ending,
        };
        let (out_cut, err_cut) = (cap(&mut stdout, limits), cap(&mut stderr, limits));
        let duration = seconds(&self.wall_time).or_else(|| seconds(&self.time));
        let memory = self.memory.unwrap_or_default().max(0.0) * 1024.0;
        let run = Run {
            status: ending.status,
            exit_code: ending.exit_code,
            signal: ending.signal.map(signal::name),
            stdout: Captured::of(stdout.clone(), out_cut),
            stderr: Captured::of(stderr, err_cut),
            duration: duration.unwrap_or_default(),
            cpu: seconds(&self.time).unwrap_or_default(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, and is not negative"
            )]
            memory_bytes: memory as u64,
        };
        Ok(Judged { run, stdout })
    }

    fn runtime_error(&self, stderr: &[u8]) -> Result<Ending, NoVerdict> {
        let message = decode(self.message.as_deref())?;
        let message = String::from_utf8_lossy(&message);
        // The program runs under a shell, which exits like this when its command was killed.
        let reported = |code: i32| {
            self.exit_code == Some(code)
                || message
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|word| word == code.to_string())
        };
        let killed = SHELL_SIGNAL + SIGKILL;
        if (self.status.id == 11 && reported(killed)) || self.exit_signal == Some(SIGKILL) {
            return Ok(Ending::killed(Status::MemoryLimitExceeded));
        }
        let of_status = match self.status.id {
            7 => Some(11),
            9 => Some(8),
            10 => Some(6),
            _ => None,
        };
        // An exit code above 128 may be the program's own. If it is a signal's, the shell says so.
        let of_shell = self.exit_code.filter(|code| {
            (SHELL_SIGNAL + 1..SHELL_SIGNAL + 32).contains(code)
                && has_line(stderr, b"run.sh: line ")
        });
        let signal = of_status
            .or(self.exit_signal)
            .or(of_shell.map(|code| code - SHELL_SIGNAL));
        let status = if ran_out_of_memory(stderr) {
            Status::MemoryLimitExceeded
        } else {
            Status::RuntimeError
        };
        Ok(match (signal, self.exit_code) {
            (Some(signal), _) => Ending {
                status,
                exit_code: None,
                signal: Some(signal),
            },
            (None, Some(code)) => Ending::exit(status, code),
            (None, None) => return Err(NoVerdict::Garbage("an end without exit code and signal")),
        })
    }
}

struct Ending {
    status: Status,
    exit_code: Option<i32>,
    signal: Option<i32>,
}

impl Ending {
    fn exit(status: Status, code: i32) -> Self {
        Self {
            status,
            exit_code: Some(code),
            signal: None,
        }
    }

    fn killed(status: Status) -> Self {
        Self {
            status,
            exit_code: None,
            signal: Some(SIGKILL),
        }
    }
}

/// Returns whether an interpreter reports that memory ran out, in the words that our runner knows.
fn ran_out_of_memory(stderr: &[u8]) -> bool {
    let lines = || stderr.split(|byte| *byte == b'\n');
    let python = lines().rfind(|line| !line.trim_ascii().is_empty());
    let python =
        python.is_some_and(|line| line.split(|byte| *byte == b':').next() == Some(b"MemoryError"));
    let v8 = lines().any(|line| {
        line.starts_with(b"FATAL ERROR:") && line.trim_ascii_end().ends_with(b"out of memory")
            || line.starts_with(b"# Fatal JavaScript out of memory")
    });
    python && has_line(stderr, b"  File ") || v8
}

fn has_line(text: &[u8], beginning: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(beginning))
}

/// Decodes base64. Ruby's has a line feed after every 60 characters.
fn decode(text: Option<&str>) -> Result<Vec<u8>, NoVerdict> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let mut packed = text.as_bytes().to_vec();
    packed.retain(|byte| !byte.is_ascii_whitespace());
    let decoded = STANDARD.decode(packed);
    decoded.map_err(|_invalid| NoVerdict::Garbage("a text that is not base64"))
}

/// Cuts what exceeds our limits. Returns whether anything was cut.
fn cap(bytes: &mut Vec<u8>, limits: &Limits) -> bool {
    let kept = limits.output_kept.as_len();
    let over = bytes.len() > kept;
    bytes.truncate(kept);
    over
}

/// Parses seconds from a string, or from a number as some versions send it.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => number.as_f64()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}
