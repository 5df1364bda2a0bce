//! The spans of a job's stages: its sandbox, then each run.

use tracing::Span;
use warren_protocol::job::Job;

use crate::conversation::Next;
use crate::pool::Source;

/// Makes the spans of one job. A canary's has none: it is nobody's trace.
pub(crate) struct Stages<'a> {
    job: Option<&'a Job>,
}

impl<'a> Stages<'a> {
    /// Of this job.
    pub(crate) fn new(job: &'a Job, source: Source) -> Self {
        Self {
            job: (source != Source::Canary).then_some(job),
        }
    }

    /// From asking for a container to having one.
    pub(crate) fn sandbox(&self) -> Span {
        self.job.map_or_else(
            Span::none,
            |job| tracing::info_span!("sandbox", job.id = %job.id),
        )
    }

    /// The first run begins.
    pub(crate) fn runs(&self) -> Runs<'a> {
        let count = self.job.map_or(0, |job| job.submission.inputs().count());
        let mut runs = Runs {
            job: self.job,
            number: 0,
            count,
            span: Span::none(),
        };
        runs.over(Next::Run);
        runs
    }
}

/// The span of the run that goes on. Dropped, it ends.
pub(crate) struct Runs<'a> {
    job: Option<&'a Job>,
    number: usize,
    count: usize,
    span: Span,
}

impl Runs<'_> {
    /// That run is over, and the next begins, if there is one.
    pub(crate) fn over(&mut self, next: Next) {
        self.span = match self.job {
            Some(job) if next == Next::Run && self.number < self.count => {
                self.number += 1;
                tracing::info_span!("run", job.id = %job.id, number = self.number)
            }
            _ => Span::none(),
        };
    }
}
