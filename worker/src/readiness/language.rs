//! One language as the monitor sees it: whether it can be run, and when to try it next.

use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::time::Instant;
use warren_languages::LanguageName;

use crate::pauses::pauses;

/// How long nothing of a language may have run before a canary of it is.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// The least time between two canaries of a language that can be run, however many jobs fail: a
/// program that takes its container along must not cost a canary each time.
const AT_MOST_EVERY: Duration = Duration::from_secs(3);
/// The pause after a canary that failed; it doubles, and up to as much again is added by chance.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Where doubling ends: what is mended is to be used within seconds.
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(2);

/// What may give reason for a canary.
pub(super) struct Scene {
    pub(super) now: Instant,
    /// Whether no job runs.
    pub(super) idle: bool,
    /// Whether a call or a job has failed since the last look.
    pub(super) doubted: bool,
    /// When a program of the language ran last.
    pub(super) ran: Option<Instant>,
}

/// One language.
pub(super) struct Watched {
    pub(super) name: LanguageName,
    /// Why it cannot be run, if it cannot.
    pub(super) fault: Option<Arc<str>>,
    tried: Instant,
    pauses: ExponentialBackoff,
    rest: Duration,
    /// Whether something has failed since it was tried.
    doubted: bool,
}

impl Watched {
    pub(super) fn new(name: LanguageName) -> Self {
        Self {
            name,
            fault: None,
            tried: Instant::now(),
            pauses: pauses(FIRST_PAUSE, LAST_PAUSE),
            rest: Duration::ZERO,
            doubted: false,
        }
    }

    /// Whether a canary is to be run now.
    pub(super) fn is_due(&mut self, scene: &Scene) -> bool {
        self.doubted |= scene.doubted;
        let since = |at: Instant| scene.now.saturating_duration_since(at);
        if self.fault.is_some() {
            return since(self.tried) >= self.rest;
        }
        let unseen = since(scene.ran.map_or(self.tried, |ran| ran.max(self.tried)));
        (self.doubted && since(self.tried) >= AT_MOST_EVERY) || (scene.idle && unseen >= IDLE)
    }

    /// Notes what came of a canary.
    pub(super) fn tried(&mut self, result: Result<(), Arc<str>>) {
        self.tried = Instant::now();
        self.doubted = false;
        self.fault = result.err();
        if self.fault.is_none() {
            self.pauses = pauses(FIRST_PAUSE, LAST_PAUSE);
        } else {
            self.rest = self.pauses.next().unwrap_or(LAST_PAUSE);
        }
    }

    /// Notes that it has no image; a canary is run once it has.
    pub(super) fn lacks(&mut self, reason: &str) {
        self.fault = Some(reason.into());
        self.rest = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        Watched::new(
            warren_languages::Languages::embedded()
                .iter()
                .next()
                .unwrap()
                .name()
                .clone(),
        )
    }

    fn after(of: &Watched, time: Duration) -> Scene {
        Scene {
            now: of.tried + time,
            idle: true,
            doubted: false,
            ran: None,
        }
    }

    #[test]
    fn a_language_is_tried_when_nothing_of_it_ran_for_long_or_there_is_doubt() {
        let it = &mut watched();
        let (half, whole) = (after(it, IDLE / 2), after(it, IDLE));
        assert!(!it.is_due(&half));
        assert!(it.is_due(&whole));
        let busy = Scene {
            idle: false,
            ..after(it, IDLE)
        };
        assert!(!it.is_due(&busy), "jobs show it");
        let ran = Scene {
            ran: Some(it.tried + IDLE / 2),
            ..after(it, IDLE)
        };
        assert!(!it.is_due(&ran));
        let doubted = Scene {
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
    fn one_that_fails_is_tried_again_after_pauses_that_end_at_seconds() {
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
}
