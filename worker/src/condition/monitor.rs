//! Decides whether the worker takes jobs.
//!
//! It takes jobs from the moment at which its engine answers, and self-test and canary of some
//! language have succeeded, until the engine is silent or no language can be run.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use warren_languages::Language;

use super::canary::Canary;
use super::language::{CanaryInputs, FIRST_PAUSE, LAST_PAUSE, WatchedLanguage};
use super::probe::probe;
use super::self_test::SelfTest;
use crate::engine::{Engine, EngineReport};
use crate::pauses::pauses;
use crate::readiness::{EngineState, Faults, Readiness, ReadinessState};
use crate::sandbox::Pool;
use crate::slots::Slots;

/// A monitor of the worker's engine and languages.
pub(crate) struct Monitor {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) canary: Canary,
    pub(crate) self_test: SelfTest,
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
        self.readiness.enter(ReadinessState::Draining);
    }

    async fn watch(&self) {
        let languages = self.canary.languages.iter();
        let mut languages: Vec<_> = languages
            .map(|language| WatchedLanguage::new(language.name().clone()))
            .collect();
        self.until_prepared().await;
        loop {
            self.until_usable(&mut languages).await;
            self.pool.resume();
            self.readiness.enter(ReadinessState::Ready);
            let reason = self.until_unusable(&mut languages).await;
            self.readiness.enter(ReadinessState::Suspended(reason));
            // Refills would fail as well, and leave the engine with more to remove.
            self.pool.pause();
        }
    }

    /// Waits until the engine has prepared what launches need, for at least one language.
    async fn until_prepared(&self) {
        let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
        while let Err(error) = self.engine.prepare().await {
            self.readiness
                .enter(ReadinessState::Suspended(error.to_string().into()));
            sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Waits until the engine answers and some language can be run.
    async fn until_usable(&self, languages: &mut [WatchedLanguage]) {
        let mut pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
        loop {
            let report = self.until_answer().await;
            // All at once: whatever one of them waits for, the others wait for as well.
            for language in languages.iter_mut() {
                language.lacks("not tried yet");
            }
            match self.try_out(languages, &report, |_| true).await {
                Ok(()) => return,
                Err(reason) => self.readiness.enter(ReadinessState::Suspended(reason)),
            }
            sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Waits until the engine is silent or no language can be run, and returns the reason.
    async fn until_unusable(&self, languages: &mut [WatchedLanguage]) -> Arc<str> {
        let mut seen = self.readiness.engine_states();
        let mut known = 0;
        if let EngineState::Answering { doubts, .. } = &*seen.borrow_and_update() {
            known = *doubts;
        }
        loop {
            changed(&mut seen).await;
            let (report, doubts) = match &*seen.borrow_and_update() {
                EngineState::Answering { report, doubts, .. } => (report.clone(), *doubts),
                EngineState::Silent(reason) => return Arc::clone(reason),
                EngineState::Unknown => continue,
            };
            let doubted = doubts != known;
            known = doubts;
            let (now, idle) = (
                Instant::now(),
                self.slots.activity().borrow().running() == 0,
            );
            let is_due = |language: &mut WatchedLanguage| {
                language.is_due(&CanaryInputs {
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

    /// Runs the canaries that are due, and records which languages can be run.
    ///
    /// # Errors
    /// None can, or the engine fell silent.
    async fn try_out(
        &self,
        languages: &mut [WatchedLanguage],
        report: &EngineReport,
        is_due: impl Fn(&mut WatchedLanguage) -> bool,
    ) -> Result<(), Arc<str>> {
        let failing = languages.iter().filter(|it| it.fault.is_some()).count();
        let checks = languages.iter_mut().map(|watched| async {
            if let Some(reason) = report.faults.get(&watched.name) {
                watched.lacks(reason);
            } else if is_due(watched)
                && let Some(language) = self.canary.languages.get(watched.name.as_str())
            {
                let tried = self.check(language, watched.proven).await;
                watched.tried(tried);
            }
        });
        tokio::select! {
            _all = join_all(checks) => {}
            reason = self.until_silent() => return Err(reason),
        }
        let faults: Faults = languages
            .iter()
            .filter_map(|watched| Some((watched.name.clone(), watched.fault.clone()?)))
            .collect();
        let (failed, first) = (faults.len(), faults.values().next().cloned());
        self.readiness.set_faults(faults);
        if failed < failing {
            self.pool.retry();
        }
        match first {
            Some(reason) if failed == languages.len() => Err(reason),
            _ => Ok(()),
        }
    }

    /// Checks that programs of the language run, and first that its sandbox is as it must be, unless
    /// that was proven.
    ///
    /// # Errors
    /// The reason why none may be run.
    async fn check(&self, language: &Language, proven: bool) -> Result<(), Arc<str>> {
        if !proven {
            self.self_test.check(language).await?;
        }
        self.canary.check(language).await
    }

    /// Waits until the engine answers. Suspends the worker while it is silent.
    async fn until_answer(&self) -> EngineReport {
        let mut seen = self.readiness.engine_states();
        loop {
            match &*seen.borrow_and_update() {
                EngineState::Answering { report, .. } => return report.clone(),
                EngineState::Silent(reason) => {
                    let reason = Arc::clone(reason);
                    self.readiness.enter(ReadinessState::Suspended(reason));
                }
                EngineState::Unknown => {}
            }
            changed(&mut seen).await;
        }
    }

    async fn until_silent(&self) -> Arc<str> {
        let mut seen = self.readiness.engine_states();
        loop {
            if let EngineState::Silent(reason) = &*seen.borrow_and_update() {
                return Arc::clone(reason);
            }
            changed(&mut seen).await;
        }
    }
}

/// Waits for the next answer; forever if there are no more probes.
async fn changed(seen: &mut watch::Receiver<EngineState>) {
    if seen.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
