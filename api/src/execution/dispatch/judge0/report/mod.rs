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

/// What is asked for.
pub(super) const FIELDS: &str =
    "token,status,time,wall_time,memory,stdout,stderr,compile_output,message,exit_code,exit_signal";
/// The signal of a program that was killed, for want of memory as a rule.
const SIGKILL: i32 = 9;
/// What a shell says for a command that a signal ended: this and the signal's number.
const SHELL_SIGNAL: i32 = 128;

/// What Judge0 says of one submission. Texts are base64 with line feeds in it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    pub(super) token: String,
    pub(super) status: StatusEntry,
    /// CPU time: a string in seconds.
    #[serde(default)]
    time: Value,
    /// Likewise.
    #[serde(default)]
    wall_time: Value,
    /// In kilobytes.
    memory: Option<f64>,
    stdout: Option<String>,
    stderr: Option<String>,
    compile_output: Option<String>,
    message: Option<String>,
    exit_code: Option<i32>,
    exit_signal: Option<i32>,
}

/// Its status.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct StatusEntry {
    id: u32,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoVerdict {
    /// Status 13: Judge0 failed; here are its words.
    InternalError(String),
    /// Status 14: its interpreter cannot be started.
    ExecFormat,
    /// Something that Judge0 does not say.
    Garbage(&'static str),
}

/// The verdict on a run, and its output as it was printed, for comparing.
pub(super) struct Judged {
    pub(super) run: Run,
    pub(super) stdout: Vec<u8>,
}

impl Report {
    /// Whether it has come to an end.
    pub(super) fn is_done(&self) -> bool {
        self.status.id > 2
    }

    /// Our verdict. `file_kb` is the largest file that the program could write.
    pub(super) fn judge(&self, limits: &Limits, file_kb: u64) -> Result<Judged, NoVerdict> {
        let (mut stdout, mut stderr) = (
            decode(self.stdout.as_deref())?,
            decode(self.stderr.as_deref())?,
        );
        let flood = usize::try_from(file_kb * 1024).unwrap_or(usize::MAX);
        let flooded = stdout.len() >= flood || stderr.len() >= flood;
        let ending = match self.status.id {
            // 4 is for who sends an expected output, which we do not.
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
        // Who ignores SIGXFSZ, as Python does, fails or even completes without the rest.
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
        let told = |code: i32| {
            self.exit_code == Some(code)
                || message
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|word| word == code.to_string())
        };
        let killed = SHELL_SIGNAL + SIGKILL;
        if (self.status.id == 11 && told(killed)) || self.exit_signal == Some(SIGKILL) {
            return Ok(Ending::killed(Status::MemoryLimitExceeded));
        }
        let of_status = match self.status.id {
            7 => Some(11),
            9 => Some(8),
            10 => Some(6),
            _ => None,
        };
        // An exit code above 128 may be the program's own; the shell says so if it is a signal's.
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

/// The words of interpreters that give up for want of memory, as our own runner knows them.
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

/// Ruby's base64 has a line feed after every 60 characters.
fn decode(text: Option<&str>) -> Result<Vec<u8>, NoVerdict> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let mut packed = text.as_bytes().to_vec();
    packed.retain(|byte| !byte.is_ascii_whitespace());
    let decoded = STANDARD.decode(packed);
    decoded.map_err(|_invalid| NoVerdict::Garbage("a text that is not base64"))
}

/// Cuts what is over what we keep; whether there was any.
fn cap(bytes: &mut Vec<u8>, limits: &Limits) -> bool {
    let kept = limits.output_kept.as_len();
    let over = bytes.len() > kept;
    bytes.truncate(kept);
    over
}

/// A string in seconds; some versions have a number.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        Value::Number(number) => number.as_f64()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}
