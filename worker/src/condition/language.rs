//! One language under watch: its fault, if any, and its next canary.

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::time::Instant;
use warren_languages::LanguageName;

use crate::pauses::pauses;

/// The time without any program of a language after which a canary of it is run.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// The least time between two canaries of a language that can be run, however many jobs fail: a
/// program that kills its container must not cost a canary each time.
const AT_MOST_EVERY: Duration = Duration::from_secs(3);
/// The pause after a canary that failed; it doubles, and up to as much again is added at random.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause: a language that works again is to be used within seconds.
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(2);

/// The inputs to the decision whether a canary is due.
pub(super) struct CanaryInputs {
    pub(super) now: Instant,
    /// Whether no job runs.
    pub(super) idle: bool,
    /// Whether a call or a job has failed since the last decision.
    pub(super) doubted: bool,
    /// The moment at which a program of the language ran last.
    pub(super) ran: Option<Instant>,
}

/// A language under watch.
pub(super) struct WatchedLanguage {
    pub(super) name: LanguageName,
    /// The reason why it cannot be run, if it cannot.
    pub(super) fault: Option<Arc<str>>,
    /// Whether its sandbox has shown that it is as it must be, since it could last not be run.
    pub(super) proven: bool,
    tried: Instant,
    pauses: ExponentialBackoff,
    pause: Duration,
    /// Whether something has failed since it was tried.
    doubted: bool,
}

impl WatchedLanguage {
    pub(super) fn new(name: LanguageName) -> Self {
        Self {
            name,
            fault: None,
            proven: false,
            tried: Instant::now(),
            pauses: pauses(FIRST_PAUSE, LAST_PAUSE),
            pause: Duration::ZERO,
            doubted: false,
        }
    }

    /// Returns whether a canary is due.
    pub(super) fn is_due(&mut self, inputs: &CanaryInputs) -> bool {
        self.doubted |= inputs.doubted;
        let since = |at: Instant| inputs.now.saturating_duration_since(at);
        if self.fault.is_some() {
            return since(self.tried) >= self.pause;
        }
        let unseen = since(inputs.ran.map_or(self.tried, |ran| ran.max(self.tried)));
        (self.doubted && since(self.tried) >= AT_MOST_EVERY) || (inputs.idle && unseen >= IDLE)
    }

    /// Records the result of a canary.
    pub(super) fn tried(&mut self, result: Result<(), Arc<str>>) {
        self.tried = Instant::now();
        self.doubted = false;
        self.proven = result.is_ok();
        self.fault = result.err();
        if self.fault.is_none() {
            self.pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
        } else {
            self.pause = self.pauses.next().unwrap_or(LAST_PAUSE);
        }
    }

    /// Records that it has no image. A canary is due as soon as it has one.
    pub(super) fn lacks(&mut self, reason: &str) {
        self.fault = Some(reason.into());
        self.proven = false;
        self.pause = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> WatchedLanguage {
        WatchedLanguage::new(
            warren_languages::Languages::embedded()
                .iter()
                .next()
                .unwrap()
                .name()
                .clone(),
        )
    }

    fn after(of: &WatchedLanguage, time: Duration) -> CanaryInputs {
        CanaryInputs {
            now: of.tried + time,
            idle: true,
            doubted: false,
            ran: None,
        }
    }

    #[test]
    fn a_canary_is_due_after_a_long_idle_time_or_a_failure() {
        let it = &mut watched();
        let (half, whole) = (after(it, IDLE / 2), after(it, IDLE));
        assert!(!it.is_due(&half));
        assert!(it.is_due(&whole));
        let busy = CanaryInputs {
            idle: false,
            ..after(it, IDLE)
        };
        assert!(!it.is_due(&busy), "jobs show it");
        let ran = CanaryInputs {
            ran: Some(it.tried + IDLE / 2),
            ..after(it, IDLE)
        };
        assert!(!it.is_due(&ran));
        let doubted = CanaryInputs {
            doubted: true,
            ..after(it, AT_MOST_EVERY / 2)
        };
        assert!(!it.is_due(&doubted), "not so soon");
        let later = after(it, AT_MOST_EVERY);
        assert!(it.is_due(&later), "the doubt is remembered");
        it.tried(Ok(()));
        let later = after(it, AT_MOST_EVERY);
        assert!(!it.is_due(&later));
    }

    #[test]
    fn a_language_that_fails_is_retried_with_growing_pauses_of_seconds_at_most() {
        let it = &mut watched();
        for _ in 0..10 {
            it.tried(Err("no".into()));
            let (early, late) = (after(it, FIRST_PAUSE / 2), after(it, 2 * LAST_PAUSE));
            assert!(!it.is_due(&early));
            assert!(it.is_due(&late));
        }
        let first = after(it, FIRST_PAUSE);
        assert!(!it.is_due(&first), "it has doubled");
        it.lacks("no image");
        let now = after(it, Duration::ZERO);
        assert!(it.is_due(&now), "as soon as it has one");
        it.tried(Ok(()));
        assert_eq!(it.fault, None);
    }

    #[test]
    fn a_sandbox_is_proven_again_after_its_language_could_not_be_run() {
        let it = &mut watched();
        assert!(!it.proven);
        it.tried(Ok(()));
        assert!(it.proven);
        it.lacks("no image");
        assert!(!it.proven);
        it.tried(Ok(()));
        it.tried(Err("no".into()));
        assert!(!it.proven);
    }
}
