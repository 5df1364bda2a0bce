//! The wire format between worker and runner, over the container's standard streams.
//!
//! Postcard messages in frames of a 4-byte little-endian length and that many bytes:
//!
//! ```text
//! runner                      worker
//! Ready ------------------->            PID 1 is up
//!       <------------------- Describe   optional: tell what only PID 1 sees
//! Described --------------->
//!       <------------------- Park       optional: have the interpreter wait for its program
//! Parked ------------------>
//!       <------------------- Execute    the job
//! Finished | NotRun ------->            once for each input, in order
//!       <------------------- Continue   after each but the last, if the pace is stepwise
//! Done -------------------->
//! ```
//!
//! `Failed` may come instead of any frame of the runner's and is its last. When the worker's end
//! closes, the runner ends itself, and with it the container.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of this format, sent first in every conversation.
pub const VERSION: u8 = 3;

/// The largest frame, in bytes: a job's inputs are under 1 MiB, a run's streams 64 KB each.
pub const MAX_FRAME: usize = 4 * 1024 * 1024;

/// The length of a frame's head, in bytes.
pub const HEAD: usize = 4;

/// A message from the worker to PID 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToRunner {
    /// Start the interpreter and have it wait for its program. Sent at most once, before the job.
    Park(Park),
    /// Run this job, then end.
    Execute(Execute),
    /// Go on with the next input.
    Continue,
    /// Describe the container as PID 1 sees it. Sent at most once, before anything else.
    Describe,
}

/// The command that starts a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments, run in the scratch directory, where the source file is.
    pub args: Vec<String>,
    /// The source file's name, without a directory.
    pub file_name: String,
    /// The number of bytes that each output pipe should hold.
    pub pipe_size: u64,
}

/// A request to park an interpreter: start it up ahead of its program, to wait for its source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Park {
    /// The command of the job to come, which must be the same.
    pub command: Command,
    /// Variables that only the parked interpreter gets, by name and value.
    pub environment: Vec<(String, String)>,
}

/// The choice of the interpreter for the first run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// The parked one, if there is one and it is still alive.
    Parked,
    /// A new one: the program cannot be read through the parked one's FIFO.
    Fresh,
}

/// The pace of a job's runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// Each run begins as soon as the one before is over.
    Through,
    /// Each run begins when the worker sends [`ToRunner::Continue`].
    Stepwise,
}

/// A job: a program and its runs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    /// The command that starts it.
    pub command: Command,
    /// The interpreter for the first run.
    pub start: Start,
    /// The pace of the runs.
    pub pace: Pace,
    /// The source file's content.
    pub code: Vec<u8>,
    /// The standard input of each run, in order. Each is a fresh process.
    pub inputs: Vec<Vec<u8>>,
    /// The wall-clock time of one run.
    pub time_limit: Duration,
    /// The wall-clock time of all runs together; those that do not fit are `NotRun`.
    pub budget: Duration,
    /// The number of bytes that are kept of each stream.
    pub output_kept: u64,
    /// The number of bytes on one stream that end the run.
    pub output_flood: u64,
}

/// A message from PID 1 to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromRunner {
    /// The first frame: PID 1 is up and waits for its job.
    Ready {
        /// [`VERSION`] of the runner.
        version: u8,
    },
    /// The interpreter has started up and waits for its program.
    Parked,
    /// One run is over; they come in order.
    Finished(RunReport),
    /// The job's time was over before this run, or cut it off; or what the program left in an earlier
    /// run keeps it from beginning.
    NotRun,
    /// All runs are reported; the runner waits to be removed.
    Done,
    /// The runner itself failed, and will report no further run.
    Failed {
        /// The step that failed, and why; never the user's data.
        reason: String,
    },
    /// The container as PID 1 sees it: facts by name. No program has run in it before.
    Described(BTreeMap<String, String>),
}

/// PID 1's report of one run.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// The program's ending.
    pub ending: Ending,
    /// The kept bytes of standard output.
    pub stdout: Stream,
    /// The kept bytes of standard error.
    pub stderr: Stream,
    /// The wall-clock time from its start to its end.
    pub wall: Duration,
    /// The CPU time, user and system, of all its processes (and the little that PID 1 takes to
    /// watch them).
    pub cpu: Duration,
    /// The most memory held, in bytes: by the container as a whole if this run raised its
    /// high-water mark, else by the largest process. Never above the container's limit.
    pub memory: u64,
}

/// The ending of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// By itself.
    Ended(Exit),
    /// Killed by the runner: its time was over.
    TimeLimit,
    /// Killed by the kernel for lack of memory, or given up for it: V8's fatal error on a full
    /// heap, an uncaught `MemoryError` of Python, a buffer that Node could not allocate.
    MemoryLimit(Exit),
    /// It flooded a stream: killed by the runner for it, unless it ended first.
    OutputLimit,
}

/// The exit of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// One captured stream.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The first bytes, up to the cap.
    pub bytes: Vec<u8>,
    /// Whether there were more.
    pub truncated: bool,
}

/// A frame that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Longer than [`MAX_FRAME`].
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME}")]
    TooLong(usize),
    /// Not a message of this version.
    #[error("a frame is not a message of wire version {VERSION}")]
    Malformed(#[from] postcard::Error),
}

/// Encodes a message as one frame, including its head.
///
/// # Errors
/// [`WireError::TooLong`] if it does not fit.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, WireError> {
    let mut frame = postcard::to_extend(message, vec![0; HEAD])?;
    let len = frame.len() - HEAD;
    let head = u32::try_from(len)
        .ok()
        .filter(|_| len <= MAX_FRAME)
        .ok_or(WireError::TooLong(len))?;
    frame[..HEAD].copy_from_slice(&head.to_le_bytes());
    Ok(frame)
}

/// Reads the length of the body that follows this head.
///
/// # Errors
/// [`WireError::TooLong`]: its writer does not use this format.
pub fn body_len(head: [u8; HEAD]) -> Result<usize, WireError> {
    let len = usize::try_from(u32::from_le_bytes(head)).unwrap_or(usize::MAX);
    if len <= MAX_FRAME {
        Ok(len)
    } else {
        Err(WireError::TooLong(len))
    }
}

/// Decodes the message of a frame's body.
///
/// # Errors
/// [`WireError::Malformed`].
pub fn decode<M: DeserializeOwned>(body: &[u8]) -> Result<M, WireError> {
    Ok(postcard::from_bytes(body)?)
}

// Code, input and output must never reach a log, not even by a stray `{:?}`.
impl std::fmt::Debug for Execute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Execute")
            .field("command", &self.command)
            .field("start", &self.start)
            .field("runs", &self.inputs.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RunReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunReport")
            .field("ending", &self.ending)
            .field("wall", &self.wall)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_its_frame() {
        let ready = FromRunner::Ready { version: VERSION };
        let frame = encode(&ready).unwrap();
        let (head, body) = frame.split_at(HEAD);
        assert_eq!(body_len(head.try_into().unwrap()).unwrap(), body.len());
        assert_eq!(decode::<FromRunner>(body).unwrap(), ready);
    }

    #[test]
    fn garbage_is_an_error_and_allocates_nothing() {
        assert!(matches!(body_len(*b"GET "), Err(WireError::TooLong(_))));
        assert!(matches!(
            decode::<ToRunner>(&[0xff; 9]),
            Err(WireError::Malformed(_))
        ));
    }
}
