//! The self-test: shows that a language's sandbox confines, before any program is run in it.

use std::num::NonZeroU16;
use std::sync::Arc;

use warren_languages::Language;
use warren_protocol::limits::Limits;

use crate::engine::Engine;
use crate::host;
use crate::posture::Posture;
use crate::readiness::Readiness;

/// The most faults that a reason names.
const NAMED: usize = 5;

/// A tester of sandboxes.
pub(crate) struct SelfTest {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) readiness: Readiness,
    /// The worker's slots, for the host's findings.
    pub(crate) slots: NonZeroU16,
}

impl SelfTest {
    /// Checks that a sandbox of this language is as it must be, and examines the host by it.
    ///
    /// # Errors
    /// It is weaker, or cannot be looked at: no program may be run in it.
    pub(super) async fn check(&self, language: &Language) -> Result<(), Arc<str>> {
        let read = Posture::read(self.engine.as_ref(), language).await;
        let posture = read.map_err(|error| Arc::from(error.to_string()))?;
        match self.engine.host().await {
            Ok(engine) => {
                let findings = host::examine(&posture, &engine, self.slots.get());
                self.readiness.set_host(findings);
            }
            // The next probe says what is wrong with it.
            Err(error) => tracing::debug!(%error, "cannot examine the host"),
        }
        let faults = posture.faults(&Limits::default());
        if faults.is_empty() {
            return Ok(());
        }
        for fault in &faults {
            tracing::error!(language = %language.name(), "the sandbox is weaker than it must be: {fault}");
        }
        let mut named: Vec<String> = faults.iter().take(NAMED).map(ToString::to_string).collect();
        if faults.len() > NAMED {
            named.push(format!(
                "and {} more, which are in the log",
                faults.len() - NAMED
            ));
        }
        let reason = format!(
            "its sandbox is weaker than it must be, so no program is run: {}; the engine or its runtime has not done what it was asked, see `warren doctor` and docs/OPERATIONS.md, The host",
            named.join("; ")
        );
        Err(reason.into())
    }
}
