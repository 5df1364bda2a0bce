//! A child process that is fed, waited for within a bound, and checked.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::workload::Run;

/// Far longer than any job of the benchmark takes.
const LIMIT: Duration = Duration::from_secs(60);
/// What is shown of what a failed child says.
const SHOWN: usize = 400;

/// Runs a program once and checks what it printed.
///
/// # Errors
/// It cannot be started, fails, takes too long, or prints something else.
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
        // Ctrl-C is for the benchmark, which lets the job end before it does itself.
        .process_group(0)
        .spawn()
        .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
    if let Some(mut stdin) = child.stdin.take()
        && let Err(error) = stdin.write_all(run.input.as_bytes())
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error).context("its input could not be written");
    }
    let limit = Timespec::try_from(LIMIT).context("too long a limit")?;
    // Outputs are far below what a pipe holds, so they can be read after the end.
    let ended = match &end {
        // A signal that asks the benchmark to end must not look like a job that takes too long.
        Ok(end) => retry_on_intr(|| poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&limit)))
            .unwrap_or_default(),
        Err(_) => 0,
    };
    if ended == 0 {
        let _ = child.kill();
        let _ = child.wait();
        bail!("it did not end within {LIMIT:?}");
    }
    let output = child
        .wait_with_output()
        .context("its output cannot be read")?;
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
    ensure!(
        output.stdout == run.expected.as_bytes(),
        "it printed something else"
    );
    Ok(())
}

/// Runs a command to its end; what it printed.
///
/// # Errors
/// It cannot be started or fails.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} cannot be started; install it"))?;
    let said: String = String::from_utf8_lossy(&output.stderr)
        .chars()
        .take(SHOWN)
        .collect();
    ensure!(
        output.status.success(),
        "{program}: {}: {}",
        output.status,
        said.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
