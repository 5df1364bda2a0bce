//! The runner's lifetime, which bounds every wait.

use std::time::{Duration, Instant};

use crate::error::Error;

/// The lifetime of the runner, which ends itself at a fixed moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    end: Instant,
}

impl Life {
    pub(crate) fn starting_now(length: Duration) -> Self {
        Self {
            end: Instant::now() + length,
        }
    }

    pub(crate) fn end(self) -> Instant {
        self.end
    }

    /// Checks that it is not over.
    ///
    /// # Errors
    /// [`Error::LifeOver`].
    pub(crate) fn check(self) -> Result<(), Error> {
        if Instant::now() < self.end {
            Ok(())
        } else {
            Err(Error::LifeOver)
        }
    }
}

/// Adds a duration to a moment; a duration that no clock can hold is as good as a day.
pub(crate) fn later(moment: Instant, by: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(86_400);
    moment + by.min(DAY)
}
