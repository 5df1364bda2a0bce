//! What every part of a run needs: the plan, the progress, and whether to go on.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::progress::Progress;

/// How soon a pause notices that the run is to end.
const SLICE: Duration = Duration::from_millis(50);
/// How many complaints of failed jobs are kept; all are counted.
const MAX_TROUBLES: usize = 20;

/// A run.
pub struct Bench {
    /// What is measured, and for how long.
    pub plan: Plan,
    /// How far it is.
    pub progress: Progress,
    stop: CancellationToken,
    troubles: Mutex<Vec<String>>,
}

impl Bench {
    /// A run that ends early at SIGTERM and SIGINT.
    pub fn new(plan: Plan, progress: Progress) -> anyhow::Result<Self> {
        Ok(Self {
            plan,
            progress,
            stop: stop_on_signal()?,
            troubles: Mutex::default(),
        })
    }

    /// # Errors
    /// The run is to end.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.stop.is_cancelled() {
            bail!("interrupted; nothing was written");
        }
        Ok(())
    }

    /// Leaves the machine alone for a while.
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

    /// Notes why a job failed.
    pub fn trouble(&self, what: &str, error: &anyhow::Error) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() < MAX_TROUBLES {
            troubles.push(format!("{what}: {error:#}"));
        }
    }

    /// Why jobs failed, the first of them.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The first signal ends the run in order, the second at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the async runtime cannot be started")?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?,
            signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?,
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
