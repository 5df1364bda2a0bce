//! Runs a child process within a time limit and checks its output.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::workload::Run;

/// The longest that a child may take, far longer than any job of the benchmark.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest that a command of the set-up may take; pulling an image takes longest. An engine that
/// has stopped to answer must not hold the benchmark for ever.
const COMMAND_LIMIT: Duration = Duration::from_secs(5 * 60);
/// The part of a failed child's output that is shown.
const SHOWN: usize = 400;

/// Runs a program once and checks its output.
///
/// # Errors
/// It cannot be started, fails, takes too long, or prints another output.
pub fn run(command: &mut Command, run: &Run) -> anyhow::Result<()> {
    let stdin = if run.input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for the benchmark, which lets the job end before it ends itself.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if let Some(mut stdin) = child.stdin.take()
        && let Err(error) = stdin.write_all(run.input.as_bytes())
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error).context("cannot write its input");
    }
    let output = finish(child, LIMIT)?;
    ensure!(
        output.stdout == run.expected.as_bytes(),
        "it printed something else"
    );
    Ok(())
}

/// Runs a command to its end and returns its output.
///
/// # Errors
/// It cannot be started, fails, or takes too long.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}; install it"))?;
    let output = finish(child, COMMAND_LIMIT).context(program)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Waits until a child succeeds, and kills it at the limit.
fn finish(mut child: Child, limit: Duration) -> anyhow::Result<Output> {
    let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
    let timeout = Timespec::try_from(limit).context("too long a limit")?;
    // A pipe holds far more than these outputs, so they can be read after the end.
    let ended = match &end {
        // A signal that asks the benchmark to end must not look like a job that took too long.
        Ok(end) => retry_on_intr(|| poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&timeout)))
            .unwrap_or_default(),
        Err(_) => 0,
    };
    if ended == 0 {
        let _ = child.kill();
        let _ = child.wait();
        bail!("it did not end within {limit:?}");
    }
    let output = child.wait_with_output().context("cannot read its output")?;
    let said: String = String::from_utf8_lossy(&output.stderr)
        .chars()
        .take(SHOWN)
        .collect();
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        said.trim()
    );
    Ok(output)
}
