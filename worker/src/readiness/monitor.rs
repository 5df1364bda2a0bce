//! Decides whether the worker takes jobs: it does once its engine answers and the canary of some
//! language came back, and until the engine is silent or no language can be run.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::canary::Canary;
use super::language::{FIRST_PAUSE, LAST_PAUSE, Scene, Watched};
use super::probe::probe;
use super::{Readiness, Seen, State};
use crate::engine::{Engine, EngineReport};
use crate::pauses::pauses;
use crate::pool::Pool;
use crate::slots::Slots;

/// What the monitor works with.
pub(crate) struct Monitor {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) canary: Canary,
    pub(crate) pool: Pool,
    pub(crate) slots: Slots,
    pub(crate) readiness: Readiness,
}

impl Monitor {
    /// Watches until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let probing = probe(Arc::clone(&self.engine), self.readiness.clone());
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = probing => {}
            () = self.watch() => {}
        }
        self.readiness.enter(State::Draining);
    }

    async fn watch(&self) {
        let languages = self.canary.languages.iter();
        let mut languages: Vec<_> = languages
            .map(|language| Watched::new(language.name().clone()))
            .collect();
        self.until_prepared().await;
        loop {
            self.until_usable(&mut languages).await;
            self.pool.resume();
            self.readiness.enter(State::Ready);
            let reason = self.until_unusable(&mut languages).await;
            self.readiness.enter(State::Suspended(reason));
            // Refills would fail as well, and leave the engine with more to remove.
            self.pool.pause();
        }
    }

    /// Waits until the engine has made ready what it needs, for some language at least.
    async fn until_prepared(&self) {
        let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
        while let Err(error) = self.engine.prepare().await {
            self.readiness
                .enter(State::Suspended(error.to_string().into()));
            sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Waits until the engine answers and some language can be run.
    async fn until_usable(&self, languages: &mut [Watched]) {
        let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
        loop {
            let report = self.until_answer().await;
            // All at once: what one of them waits for, the others do as well.
            for language in languages.iter_mut() {
                language.lacks("not tried yet");
            }
            match self.try_out(languages, &report, |_| true).await {
                Ok(()) => return,
                Err(reason) => self.readiness.enter(State::Suspended(reason)),
            }
            sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Waits until the engine is silent or no language can be run, and says why.
    async fn until_unusable(&self, languages: &mut [Watched]) -> Arc<str> {
        let mut seen = self.readiness.0.engine.subscribe();
        let mut known = 0;
        if let Seen::Answer { doubts, .. } = &*seen.borrow_and_update() {
            known = *doubts;
        }
        loop {
            changed(&mut seen).await;
            let (report, doubts) = match &*seen.borrow_and_update() {
                Seen::Answer { report, doubts, .. } => (report.clone(), *doubts),
                Seen::Silence(reason) => return Arc::clone(reason),
                Seen::Nothing => continue,
            };
            let doubted = doubts != known;
            known = doubts;
            let (now, idle) = (
                Instant::now(),
                self.slots.activity().borrow().running() == 0,
            );
            let is_due = |language: &mut Watched| {
                language.is_due(&Scene {
                    now,
                    idle,
                    doubted: self.readiness.has_failed(&language.name) || doubted,
                    ran: self.readiness.ran_last(&language.name),
                })
            };
            if let Err(reason) = self.try_out(languages, &report, is_due).await {
                return reason;
            }
        }
    }

    /// Runs the canaries that are due, and notes which languages can be run.
    ///
    /// # Errors
    /// None can, or the engine fell silent.
    async fn try_out(
        &self,
        languages: &mut [Watched],
        report: &EngineReport,
        is_due: impl Fn(&mut Watched) -> bool,
    ) -> Result<(), Arc<str>> {
        let failing = languages.iter().filter(|it| it.fault.is_some()).count();
        let singing = languages.iter_mut().map(|watched| async {
            if let Some(reason) = report.faults.get(&watched.name) {
                watched.lacks(reason);
            } else if is_due(watched)
                && let Some(language) = self.canary.languages.get(watched.name.as_str())
            {
                watched.tried(self.canary.sing(language).await);
            }
        });
        tokio::select! {
            _all = join_all(singing) => {}
            reason = self.until_silent() => return Err(reason),
        }
        let faults: super::Faults = languages
            .iter()
            .filter_map(|watched| Some((watched.name.clone(), watched.fault.clone()?)))
            .collect();
        let (failed, first) = (faults.len(), faults.values().next().cloned());
        self.readiness.find(faults);
        if failed < failing {
            self.pool.retry();
        }
        match first {
            Some(reason) if failed == languages.len() => Err(reason),
            _ => Ok(()),
        }
    }

    /// The engine's last answer, as soon as it does not keep silent. A silence is told.
    async fn until_answer(&self) -> EngineReport {
        let mut seen = self.readiness.0.engine.subscribe();
        loop {
            match &*seen.borrow_and_update() {
                Seen::Answer { report, .. } => return report.clone(),
                Seen::Silence(reason) => {
                    let reason = Arc::clone(reason);
                    self.readiness.enter(State::Suspended(reason));
                }
                Seen::Nothing => {}
            }
            changed(&mut seen).await;
        }
    }

    async fn until_silent(&self) -> Arc<str> {
        let mut seen = self.readiness.0.engine.subscribe();
        loop {
            if let Seen::Silence(reason) = &*seen.borrow_and_update() {
                return Arc::clone(reason);
            }
            changed(&mut seen).await;
        }
    }
}

/// Waits for the next answer; for ever if nobody asks any more.
async fn changed(seen: &mut watch::Receiver<Seen>) {
    if seen.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
