//! The runner's own end: every wait is bounded by it.

use std::time::{Duration, Instant};

use crate::error::Error;

/// The moment at which the runner ends itself.
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

    /// # Errors
    /// [`Error::LifeOver`] once it is.
    pub(crate) fn check(self) -> Result<(), Error> {
        if Instant::now() < self.end {
            Ok(())
        } else {
            Err(Error::LifeOver)
        }
    }
}
