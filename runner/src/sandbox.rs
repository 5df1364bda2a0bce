//! The sandbox seen from inside: everything that a job's programs are run with.

use crate::error::Error;
use crate::launch::Launcher;
use crate::life::Life;
use crate::reap::{Reaped, Reaper};
use crate::usage::Meter;

/// The means to start, watch, end and measure programs in this container.
pub(crate) struct Sandbox {
    pub(crate) launcher: Launcher,
    pub(crate) reaper: Reaper,
    pub(crate) meter: Meter,
    pub(crate) life: Life,
}

impl Sandbox {
    /// Ends every process but PID 1. No run is charged for them.
    ///
    /// # Errors
    /// [`Error::Unkillable`].
    pub(crate) fn clear(&self, main: u32) -> Result<(), Error> {
        if self.reaper.end_all(main, &mut Reaped::default())? {
            Ok(())
        } else {
            Err(Error::Unkillable)
        }
    }
}
