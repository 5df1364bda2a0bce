//! Spaces out attempts at a slow operation that keeps failing.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::ExponentialBackoff;
use tokio::time::Instant;

use crate::pauses::pauses;

/// The pause after a failure; it doubles, and up to as much again is added at random.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// An operation that is repeated until it succeeds.
#[derive(Default)]
pub(super) struct Attempts(Mutex<Option<Failing>>);

struct Failing {
    reason: String,
    backoff: ExponentialBackoff,
    rest_until: Instant,
}

impl Attempts {
    /// Makes an attempt. During the pause after a failed one, returns that one's reason instead.
    pub(super) async fn attempt(
        &self,
        attempt: impl Future<Output = Result<(), String>>,
    ) -> Result<(), String> {
        if let Some(failing) = &*self.lock()
            && Instant::now() < failing.rest_until
        {
            return Err(failing.reason.clone());
        }
        match attempt.await {
            Ok(()) => {
                self.succeeded();
                Ok(())
            }
            Err(reason) => {
                self.failed(reason.clone());
                Err(reason)
            }
        }
    }

    /// Records that the operation succeeded, here or elsewhere.
    pub(super) fn succeeded(&self) {
        *self.lock() = None;
    }

    fn failed(&self, reason: String) {
        let mut state = self.lock();
        let failed_before = state.take().map(|failing| failing.backoff);
        let mut backoff = failed_before.unwrap_or_else(|| pauses(FIRST_PAUSE, LAST_PAUSE));
        let pause = backoff.next().unwrap_or(LAST_PAUSE);
        *state = Some(Failing {
            reason,
            backoff,
            rest_until: Instant::now() + pause,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_holds_for_a_pause_unless_it_succeeds_elsewhere() {
        let attempts = Attempts::default();
        let mut made = 0;
        let failed = attempts.attempt(async { Err("no".to_owned()) }).await;
        assert_eq!(failed, Err("no".to_owned()));
        let resting = attempts.attempt(async {
            made += 1;
            Ok(())
        });
        assert_eq!(resting.await, Err("no".to_owned()), "its reason holds");
        assert_eq!(made, 0, "no attempt is made meanwhile");
        attempts.succeeded();
        assert_eq!(attempts.attempt(async { Ok(()) }).await, Ok(()));
        assert_eq!(attempts.attempt(async { Ok(()) }).await, Ok(()));
    }
}
