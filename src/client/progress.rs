//! A spinner with the state beside it, on a terminal's standard error.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::ProgressBar;

use crate::terminal::visible;

const TICK: Duration = Duration::from_millis(100);

/// A spinner, which disappears when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn start(state: &'static str) -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner().with_message(state);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub fn state(&self, state: String) {
        self.0.set_message(visible(&state).into_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
