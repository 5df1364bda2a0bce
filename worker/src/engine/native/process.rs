//! The launcher's process: starts it, passes on what it says, and sees it end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::socket::Socket;
use super::streams::diagnostics;
use crate::{Error, Result};

/// The last lines of a launcher that are kept as the reason of its end.
const LAST_WORDS: usize = 3;
/// The longest that such a line may be, in characters.
const LINE: usize = 500;
/// The pause between two looks at a process that ends.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest wait for the last lines of a process that has ended.
const SAYING: Duration = Duration::from_millis(200);

/// A launcher's process. Dropping it does not end it: closing its control socket does.
pub(super) struct Process {
    child: Child,
    said: LastWords,
    saying: AbortOnDropHandle<()>,
}

type LastWords = Arc<Mutex<VecDeque<String>>>;

impl Process {
    /// Starts a launcher with these arguments. Must be called within the runtime.
    ///
    /// # Errors
    /// There is no process.
    pub(super) fn start(arguments: Vec<OsString>) -> Result<(Self, Socket)> {
        let started = warren_launcher::spawn(arguments).map_err(Error::LauncherNotStarted)?;
        let (mut child, control) = started;
        let (id, said) = (child.id(), LastWords::default());
        let says = child.stderr.take().map(OwnedFd::from);
        let says = says.map(Receiver::from_owned_fd).transpose();
        let says = says.map_err(Error::LauncherNotStarted)?;
        let kept = Arc::clone(&said);
        let saying = async move {
            if let Some(says) = says {
                diagnostics(says, usize::MAX, |line| note(id, line, &kept)).await;
            }
        };
        let process = Self {
            child,
            said,
            saying: AbortOnDropHandle::new(tokio::spawn(saying)),
        };
        let control = Socket::new(control).map_err(Error::LauncherNotStarted)?;
        Ok((process, control))
    }

    /// Returns its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended, and kills it after half of `within`. Returns how it ended and its last
    /// words.
    pub(super) async fn end(mut self, within: Duration) -> String {
        let status = self.status(within).await;
        let _ = timeout(SAYING, &mut self.saying).await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = said
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("; ");
        match (status, said.is_empty()) {
            (Some(status), true) => format!("it ended without a word ({status})"),
            (Some(status), false) => format!("{said} ({status})"),
            (None, _) => "it cannot be ended".to_owned(),
        }
    }

    async fn status(&mut self, within: Duration) -> Option<ExitStatus> {
        let asked = Instant::now();
        let mut is_killed = false;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Err(_) => return None,
                Ok(None) if asked.elapsed() >= within && is_killed => return None,
                Ok(None) if asked.elapsed() >= within / 2 && !is_killed => {
                    // It fails only for a process that has ended.
                    let _ = self.child.kill();
                    is_killed = true;
                }
                Ok(None) => {}
            }
            sleep(PAUSE).await;
        }
    }

    /// Kills it, and with it everything that it made.
    pub(super) fn kill(&mut self) {
        // It fails only for a process that has ended.
        let _ = self.child.kill();
    }
}

/// Logs a line of a launcher, and keeps it among its last.
fn note(launcher: u32, line: &str, said: &LastWords) {
    let line: String = line.chars().take(LINE).collect();
    tracing::warn!(launcher, says = line, "launcher");
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.push_back(line);
    if said.len() > LAST_WORDS {
        said.pop_front();
    }
}
