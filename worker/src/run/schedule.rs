//! Decides which of a job's sandboxes begins next, and which is no longer wanted.
//!
//! Pure, so that it can be tested alone.

use std::ops::Range;

use warren_protocol::submission::OnFailure;

/// The most sandboxes, from the first that is not over on, that may be begun while any failure is to
/// end the job: what runs ahead of a failing one is work for nothing, and its texts are held whole
/// until it is certain that they are wanted.
pub(super) const AHEAD: usize = 8;

/// The progress of a job's sandboxes.
pub(super) struct Schedule {
    sandboxes: Vec<Sandbox>,
    /// The number of runs, from the first on, that are wanted.
    wanted: usize,
    /// The most sandboxes, from the first that is not over on, that may be begun.
    window: usize,
}

struct Sandbox {
    runs: Range<usize>,
    progress: Progress,
}

/// The progress of one sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It has not begun, or was given up to begin anew.
    Waiting,
    /// It was begun.
    Begun,
    /// All of its runs are over.
    Over,
}

impl Schedule {
    /// Creates the schedule of sandboxes with these runs, none of them begun.
    pub(super) fn new(sandboxes: Vec<Range<usize>>, on_failure: OnFailure) -> Self {
        let waiting = |runs| Sandbox {
            runs,
            progress: Progress::Waiting,
        };
        Self {
            sandboxes: sandboxes.into_iter().map(waiting).collect(),
            wanted: usize::MAX,
            window: match on_failure {
                OnFailure::GoOn => usize::MAX,
                OnFailure::Stop => AHEAD,
            },
        }
    }

    /// Returns the sandbox that may begin next: the first that waits, unless it is not wanted or too
    /// far ahead.
    pub(super) fn next(&self) -> Option<usize> {
        let mut sandboxes = self.sandboxes.iter();
        let next = sandboxes.position(|one| one.progress == Progress::Waiting)?;
        let over = self.sandboxes.iter();
        let over = over.take_while(|one| one.progress == Progress::Over);
        let end = over.count().saturating_add(self.window);
        (next < end && self.is_wanted(next)).then_some(next)
    }

    /// Returns the runs of a sandbox.
    pub(super) fn runs(&self, sandbox: usize) -> Range<usize> {
        let sandbox = self.sandboxes.get(sandbox);
        sandbox.map_or(0..0, |sandbox| sandbox.runs.clone())
    }

    /// Returns whether any run of a sandbox is wanted.
    pub(super) fn is_wanted(&self, sandbox: usize) -> bool {
        self.runs(sandbox).start < self.wanted
    }

    /// Records that a sandbox was begun.
    pub(super) fn begun(&mut self, sandbox: usize) {
        self.becomes(sandbox, Progress::Begun);
    }

    /// Records that a sandbox was given up, to begin anew later.
    pub(super) fn put_back(&mut self, sandbox: usize) {
        self.becomes(sandbox, Progress::Waiting);
    }

    /// Records that the runs of a sandbox are over.
    pub(super) fn over(&mut self, sandbox: usize) {
        self.becomes(sandbox, Progress::Over);
    }

    /// Records that only so many runs are wanted, from the first on. Never more than before.
    pub(super) fn want(&mut self, runs: usize) {
        self.wanted = self.wanted.min(runs);
    }

    fn becomes(&mut self, sandbox: usize, progress: Progress) {
        if let Some(sandbox) = self.sandboxes.get_mut(sandbox) {
            sandbox.progress = progress;
        }
    }
}
