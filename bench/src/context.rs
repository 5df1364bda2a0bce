//! The context of a run: its plan, its progress, and its interruption.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::progress::Progress;

/// The interval at which a pause checks for an interruption.
const SLICE: Duration = Duration::from_millis(50);
/// The number of failed jobs whose errors are kept; all are counted.
const MAX_TROUBLES: usize = 20;

/// A run.
pub struct Bench {
    /// The plan of the measurements.
    pub plan: Plan,
    /// The progress.
    pub progress: Progress,
    stop: CancellationToken,
    troubles: Mutex<Vec<String>>,
}

impl Bench {
    /// Starts a run that SIGTERM and SIGINT end early.
    pub fn new(plan: Plan, progress: Progress) -> anyhow::Result<Self> {
        Ok(Self {
            plan,
            progress,
            stop: stop_on_signal()?,
            troubles: Mutex::default(),
        })
    }

    /// # Errors
    /// The run was interrupted.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            bail!("interrupted; nothing was written");
        }
        Ok(())
    }

    /// Pauses, so that the machine is idle for a while.
    pub fn pause(&self, span: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            self.check()?;
            let left = span.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(SLICE));
        }
    }

    /// Records the error of a failed job.
    pub fn trouble(&self, what: &str, error: &anyhow::Error) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() < MAX_TROUBLES {
            troubles.push(format!("{what}: {error:#}"));
        }
    }

    /// Returns the first errors of failed jobs.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Ends the run in order at the first signal, and at once at the second.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate()).context("cannot catch SIGTERM")?,
            signal(SignalKind::interrupt()).context("cannot catch SIGINT")?,
        )
    };
    let asked = stop.clone();
    thread::spawn(move || {
        runtime.block_on(async {
            for time in 1.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if time > 1 {
                    std::process::exit(130);
                }
                asked.cancel();
            }
        });
    });
    Ok(stop)
}
