//! The trace spans of a job's stages: its sandbox, then each run.

use std::ops::Range;

use tracing::Span;
use warren_protocol::job::Job;

use crate::sandbox::{Next, Source};

/// The spans of one job. A canary has none, since no caller traces it.
pub(crate) struct Stages<'a> {
    job: Option<&'a Job>,
}

impl<'a> Stages<'a> {
    /// Creates the spans of `job`.
    pub(crate) fn new(job: &'a Job, source: Source) -> Self {
        Self {
            job: (source != Source::Canary).then_some(job),
        }
    }

    /// Begins the span from the request for a container to its lease.
    pub(crate) fn sandbox(&self) -> Span {
        self.job.map_or_else(
            Span::none,
            |job| tracing::info_span!("sandbox", job.id = %job.id),
        )
    }

    /// Begins the span of the first of these runs.
    pub(crate) fn runs(&self, runs: Range<usize>) -> Runs<'a> {
        let mut runs = Runs {
            job: self.job,
            left: runs,
            span: Span::none(),
        };
        runs.over(Next::Run);
        runs
    }
}

/// The span of the current run in a sandbox; dropping it ends the span.
pub(crate) struct Runs<'a> {
    job: Option<&'a Job>,
    /// The runs that have not begun.
    left: Range<usize>,
    span: Span,
}

impl Runs<'_> {
    /// Ends the span of the current run, and begins the next one's if there is one.
    pub(crate) fn over(&mut self, next: Next) {
        self.span = match (self.job, next) {
            (Some(job), Next::Run) => self.left.next().map_or_else(
                Span::none,
                |run| tracing::info_span!("run", job.id = %job.id, number = run + 1),
            ),
            _ => Span::none(),
        };
    }
}
