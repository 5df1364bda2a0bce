//! Runs a job's sandboxes: one on the job's own slot, further ones on spare slots.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use warren_protocol::submission::OnFailure;

use super::execute::{Attempt, Executor};
use super::judge::Judge;
use super::plan;
use super::sandboxed::{Sandboxed, SharedJudge, lock};
use super::schedule::Schedule;
use crate::slots::spare::SpareSlots;
use crate::slots::{Activity, Slot};
use crate::{Error, Result};

/// The runs of a job that are all over.
pub(super) struct Done<'a> {
    pub(super) judge: Judge<'a>,
    /// The time until the job had its first sandbox.
    pub(super) sandbox: Duration,
    /// The base image of that sandbox.
    pub(super) image: String,
}

/// The slot that a sandbox runs on.
enum Place {
    /// The job's own.
    Own,
    /// A spare one.
    Spare(Slot),
}

impl Place {
    /// Waits until another job needs the slot before the run on it is over.
    async fn wanted_back(&self) {
        match self {
            Self::Own => std::future::pending().await,
            Self::Spare(slot) => slot.wanted_back().wait().await,
        }
    }

    /// Gives a spare slot back. Returns the job's own.
    fn leave(self) -> Option<Self> {
        match self {
            Self::Own => Some(Self::Own),
            Self::Spare(slot) => {
                drop(slot);
                None
            }
        }
    }
}

/// A sandbox that is gone, or was handed to its removal.
struct Retired {
    sandbox: usize,
    /// The job's own slot, if the sandbox had that.
    own: Option<Place>,
    end: End,
}

/// The end of a sandbox.
enum End {
    /// Its runs are over, or Warren failed.
    Over(Result<Option<Sandboxed>>),
    /// It was given up: another job needs its slot.
    PutBack,
    /// It was given up: its runs are no longer wanted.
    Unwanted,
}

impl Executor {
    /// Has all runs of a job done, and returns once each is over or no longer wanted.
    ///
    /// Between two sandboxes a spare slot is given back, so that whoever waits for one has it. What is
    /// asked back earlier is given up, and begins anew later.
    ///
    /// # Errors
    /// Warren failed for a run that is wanted.
    pub(super) async fn run_all<'a>(
        &self,
        attempt: &Attempt<'a>,
        spare: Option<&dyn SpareSlots>,
    ) -> Result<Done<'a>> {
        let submission = &attempt.job.submission;
        let judge = Mutex::new(Judge::new(submission));
        let sandboxes = plan::sandboxes(submission.inputs().count(), self.isolation);
        let unwanted = sandboxes.iter().map(|_| CancellationToken::new());
        let unwanted: Vec<_> = unwanted.collect();
        let mut schedule = Schedule::new(sandboxes, submission.on_failure());
        let mut changes = spare.map(SpareSlots::changes);
        let mut own = Some(Place::Own);
        let (mut first, mut failed) = (None, None);
        let mut begun = FuturesUnordered::new();
        loop {
            while let Some(sandbox) = schedule.next()
                && let Some(place) = own.take().or_else(|| spare?.spare().map(Place::Spare))
            {
                schedule.begun(sandbox);
                let runs = schedule.runs(sandbox);
                begun.push(self.run_on(
                    place,
                    attempt,
                    (sandbox, runs),
                    &judge,
                    &unwanted[sandbox],
                ));
            }
            let ended: Option<Retired> = tokio::select! {
                ended = begun.next() => ended,
                () = change(&mut changes), if schedule.next().is_some() => continue,
            };
            let Some(Retired {
                sandbox,
                own: left,
                end,
            }) = ended
            else {
                break;
            };
            own = left.or(own);
            schedule.over(sandbox);
            match end {
                End::Over(Ok(sandboxed)) => first = earlier(first, sandboxed),
                End::Over(Err(error)) if submission.on_failure() == OnFailure::GoOn => {
                    return Err(error);
                }
                End::Over(Err(error)) if schedule.is_wanted(sandbox) => {
                    // A run before it may fail. Then it would not have been run, one after the other.
                    let run = schedule.runs(sandbox).start;
                    schedule.want(run);
                    failed = Some((run, error));
                }
                End::PutBack => {
                    lock(&judge).forget(schedule.runs(sandbox));
                    schedule.put_back(sandbox);
                }
                End::Over(Err(_)) | End::Unwanted => {}
            }
            schedule.want(lock(&judge).wanted());
            for (sandbox, unwanted) in unwanted.iter().enumerate() {
                if !schedule.is_wanted(sandbox) {
                    unwanted.cancel();
                }
            }
        }
        drop(begun);
        let judge = judge.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (failed, first) {
            (Some((run, error)), _) if run < judge.wanted() => Err(error),
            (_, None) => Err(Error::DeadlinePassed),
            (_, Some(Sandboxed { after, image })) => Ok(Done {
                judge,
                sandbox: after,
                image,
            }),
        }
    }

    /// Has the runs of one sandbox done on a slot, unless it has to be given up.
    async fn run_on(
        &self,
        place: Place,
        attempt: &Attempt<'_>,
        (sandbox, runs): (usize, Range<usize>),
        judge: &SharedJudge<'_>,
        unwanted: &CancellationToken,
    ) -> Retired {
        let end = tokio::select! {
            biased;
            ran = self.run_in_one(attempt, &runs, judge) => End::Over(ran),
            () = unwanted.cancelled() => End::Unwanted,
            () = place.wanted_back() => End::PutBack,
        };
        let own = place.leave();
        Retired { sandbox, own, end }
    }
}

/// Returns the sandbox that was there first.
fn earlier(one: Option<Sandboxed>, other: Option<Sandboxed>) -> Option<Sandboxed> {
    let both = one.into_iter().chain(other);
    both.min_by_key(|sandboxed| sandboxed.after)
}

/// Waits until there may be a spare slot.
async fn change(changes: &mut Option<watch::Receiver<Activity>>) {
    let changed = match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}
