//! Progress on standard error: a bar on a terminal, otherwise occasional lines.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The interval between lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of a run.
pub struct Progress {
    bar: ProgressBar,
    lines: Option<Mutex<Instant>>,
}

impl Progress {
    /// Starts a run of `steps` steps.
    pub fn new(steps: u64) -> Self {
        let shown = stderr().is_terminal();
        let bar = if shown {
            ProgressBar::new(steps)
        } else {
            ProgressBar::hidden()
        };
        bar.set_length(steps);
        let style = ProgressStyle::with_template(
            "{elapsed:>4} [{bar:30}] {percent:>3} %, {eta} left: {msg}",
        );
        bar.set_style(
            style
                .unwrap_or_else(|_wrong| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        Self {
            bar,
            lines: (!shown).then(|| Mutex::new(Instant::now())),
        }
    }

    /// Shows the next activity.
    pub fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.tick();
    }

    /// Counts steps that are done.
    pub fn step(&self, steps: u64) {
        self.bar.inc(steps);
        if let Some(lines) = &self.lines
            && let Ok(mut last) = lines.lock()
            && last.elapsed() >= LINE_EVERY
        {
            *last = Instant::now();
            self.line();
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    #[expect(
        clippy::print_stderr,
        reason = "standard error is where progress is shown"
    )]
    fn line(&self) {
        let percent = self.bar.position() * 100 / self.bar.length().unwrap_or_default().max(1);
        eprintln!("{percent:>3} %: {}", self.bar.message());
    }
}
