//! The worker's side of the wire: messages to and from PID 1 of one container.

use std::collections::BTreeMap;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};
use warren_runner::wire::{self, Execute, FromRunner, Pace, Park, RunReport, ToRunner};

use crate::engine::core::Core;
use crate::engine::{Container, ContainerId, Handle, Life};
use crate::{Error, Result};

/// The longest time from a container's start until PID 1 is ready.
const READY: Duration = Duration::from_secs(5);
/// The longest time that an interpreter may take to start up and wait for its program.
const PARK: Duration = Duration::from_secs(10);
/// The longest time past a run's own limit in which its report may arrive: PID 1 starts the program,
/// ends what it started, and reports. Later, the program has kept PID 1 from it.
const SLACK: Duration = Duration::from_millis(500);
/// The same past the end of the job's time. The answer must still reach its caller: the worker keeps
/// 100 ms of the deadline for that.
const LAST: Duration = Duration::from_millis(50);
/// The shortest wait for the engine to report a container's death.
const DEATH: Duration = Duration::from_secs(1);
/// The pause between two requests for it.
const DEATH_PAUSE: Duration = Duration::from_millis(25);

/// The report of one run; `None` if the job's time was over first.
pub(crate) type Reported = Option<RunReport>;

/// A decision on a job's next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is wanted.
    Run,
    /// Neither it nor any after it is wanted.
    Stop,
}

/// The run that PID 1 has to report next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// The hand-over, or the report before it: the run began then or a little later.
    pub(crate) since: Instant,
    /// The bound that ends the run if the program does not end.
    pub(crate) bound: Bound,
    /// The moment at which its report is overdue.
    pub(crate) by: Instant,
}

/// A bound on the time of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The run's own time limit.
    Run,
    /// The end of the job's time, which comes first.
    Job,
}

impl Awaited {
    fn new(since: Instant, time_limit: Duration, job_end: Instant) -> Self {
        let run_end = since + time_limit;
        let (bound, by) = if run_end <= job_end {
            (Bound::Run, (run_end + SLACK).min(job_end + LAST))
        } else {
            (Bound::Job, job_end + LAST)
        };
        Self { since, bound, by }
    }
}

/// A container whose PID 1 is up, and its streams as frames. Dropping it removes the container.
pub(crate) struct Conversation {
    container: Container,
    unread: BytesMut,
    /// The run that PID 1 has to report next, once the job was handed over.
    awaited: Option<Awaited>,
}

impl Conversation {
    /// Waits until PID 1 is up and has sent its version, which must be this worker's.
    ///
    /// # Errors
    /// PID 1 has another version or did not start in time, or the container died.
    pub(crate) async fn open(container: Container) -> Result<Self> {
        let mut conversation = Self {
            container,
            unread: BytesMut::new(),
            awaited: None,
        };
        let by = Instant::now() + READY;
        match conversation.next(by, READY, "start").await {
            Ok(FromRunner::Ready {
                version: wire::VERSION,
            }) => Ok(conversation),
            Ok(FromRunner::Ready { version }) => Err(Error::RunnerVersion(version)),
            Ok(other) => Err(unexpected(&other)),
            Err(Error::ContainerDied(_)) => Err(died(until_dead(conversation.handle(), by).await)),
            Err(error) => Err(error),
        }
    }

    /// Asks PID 1 what only it sees of the container. Comes before anything else.
    ///
    /// # Errors
    /// PID 1 or the container failed.
    pub(crate) async fn describe(&mut self) -> Result<BTreeMap<String, String>> {
        let by = Instant::now() + READY;
        self.send(&ToRunner::Describe, by, READY, "describe itself")
            .await?;
        match self.next(by, READY, "describe itself").await? {
            FromRunner::Described(facts) => Ok(facts),
            other => Err(unexpected(&other)),
        }
    }

    /// Parks an interpreter: starts it up and has it wait for its program.
    ///
    /// # Errors
    /// The interpreter cannot be parked, or PID 1 or the container failed.
    pub(crate) async fn park(&mut self, park: Park) -> Result<()> {
        let by = Instant::now() + PARK;
        self.send(&ToRunner::Park(park), by, PARK, "be parked")
            .await?;
        match self.next(by, PARK, "park the interpreter").await? {
            FromRunner::Parked => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs the program on each of its inputs and passes each run to `report`, in order. With
    /// [`Pace::Stepwise`], `report` decides whether there is a next one.
    ///
    /// # Errors
    /// PID 1 or the container failed, or a report is overdue. A program can cause that, so
    /// [`Conversation::awaited`] tells which run it was; see `run::last_resort`. Runs that were
    /// reported before remain valid.
    pub(crate) async fn execute(
        &mut self,
        execute: Execute,
        mut report: impl FnMut(Reported) -> Next + Send,
    ) -> Result<()> {
        let (runs, pace, within) = (execute.inputs.len(), execute.pace, execute.budget);
        let (time_limit, job_end) = (execute.time_limit, Instant::now() + within);
        self.send(&ToRunner::Execute(execute), job_end, within, "take its job")
            .await?;
        for left in (0..runs).rev() {
            let since = Instant::now();
            let awaited = Awaited::new(since, time_limit, job_end);
            self.awaited = Some(awaited);
            let (by, within) = (awaited.by, awaited.by - since);
            let next = match self.next(by, within, "report").await? {
                FromRunner::Finished(run) => report(Some(run)),
                FromRunner::NotRun => report(None),
                other => return Err(unexpected(&other)),
            };
            match (pace, next) {
                (Pace::Stepwise, Next::Stop) => break,
                (Pace::Stepwise, Next::Run) if left > 0 => {
                    self.send(&ToRunner::Continue, by, within, "go on").await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the run that PID 1 has not reported yet. `None` if the job was not handed over, so that
    /// its program cannot have begun.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        self.awaited
    }

    /// Resolves when PID 1 has ended or sent a frame, although none is expected. For use while a
    /// container is parked.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            match take_frame(&mut self.unread) {
                Ok(Some(message)) => return Poll::Ready(unexpected(&message)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(error),
            }
            match ready!(self.container.output.poll_next_unpin(cx)) {
                Some(Ok(piece)) => self.unread.extend_from_slice(&piece),
                Some(Err(error)) => return Poll::Ready(Error::Stream(error)),
                None => return Poll::Ready(died(None)),
            }
        }
    }

    /// Returns the base image that the container was made from.
    pub(crate) fn image(&self) -> &str {
        &self.container.image
    }

    /// Returns the container's id.
    pub(crate) fn container(&self) -> &ContainerId {
        &self.container.id
    }

    /// Returns the CPU that the container runs on.
    pub(crate) fn core(&self) -> &Core {
        &self.container.core
    }

    /// Returns the hold on the container.
    pub(crate) fn handle(&self) -> &dyn Handle {
        self.container.handle.as_ref()
    }

    async fn send(
        &mut self,
        message: &ToRunner,
        by: Instant,
        within: Duration,
        doing: &'static str,
    ) -> Result<()> {
        let frame = wire::encode(message)?;
        let input = &mut self.container.input;
        let sending = async {
            input.write_all(&frame).await?;
            input.flush().await
        };
        match timeout_at(by, sending).await {
            Ok(sent) => sent.map_err(Error::Stream),
            Err(_elapsed) => Err(Error::RunnerTimedOut { doing, within }),
        }
    }

    /// Waits for the next frame, until `by`.
    async fn next(
        &mut self,
        by: Instant,
        within: Duration,
        doing: &'static str,
    ) -> Result<FromRunner> {
        loop {
            if let Some(message) = take_frame(&mut self.unread)? {
                return Ok(message);
            }
            match timeout_at(by, self.container.output.next()).await {
                Ok(Some(Ok(piece))) => self.unread.extend_from_slice(&piece),
                Ok(Some(Err(error))) => return Err(Error::Stream(error)),
                Ok(None) => return Err(Error::ContainerDied(String::new())),
                Err(_elapsed) => return Err(Error::RunnerTimedOut { doing, within }),
            }
        }
    }
}

/// Waits until a container whose streams ended has died, at least for a second and at most until
/// `by`. Returns its state then; `None` if the engine does not answer.
pub(crate) async fn until_dead(handle: &dyn Handle, by: Instant) -> Option<Life> {
    let by = by.max(Instant::now() + DEATH);
    loop {
        match handle.look().await? {
            // dockerd closes the streams some 30 ms before it says that the process is gone.
            Life::Running if Instant::now() < by => tokio::time::sleep(DEATH_PAUSE).await,
            life => return Some(life),
        }
    }
}

/// Makes the error for a container whose streams ended.
pub(crate) fn died(life: Option<Life>) -> Error {
    Error::ContainerDied(match life {
        Some(Life::Ended(death)) => format!(" ({death})"),
        Some(Life::Running) | None => String::new(),
    })
}

/// Takes one whole frame off the front of `unread`, if there is one.
fn take_frame(unread: &mut BytesMut) -> Result<Option<FromRunner>> {
    let Some(head) = unread.first_chunk::<{ wire::HEAD }>() else {
        return Ok(None);
    };
    let len = wire::body_len(*head)?;
    if unread.len() < wire::HEAD + len {
        return Ok(None);
    }
    unread.advance(wire::HEAD);
    Ok(Some(wire::decode(&unread.split_to(len))?))
}

fn unexpected(message: &FromRunner) -> Error {
    match message {
        FromRunner::Ready { .. } => Error::OutOfTurn("Ready"),
        FromRunner::Parked => Error::OutOfTurn("Parked"),
        FromRunner::Finished(_) => Error::OutOfTurn("Finished"),
        FromRunner::NotRun => Error::OutOfTurn("NotRun"),
        FromRunner::Done => Error::OutOfTurn("Done"),
        FromRunner::Described(_) => Error::OutOfTurn("Described"),
        FromRunner::Failed { reason } => Error::RunnerFailed(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_complete_however_they_were_split() {
        let frames = [
            FromRunner::Ready {
                version: wire::VERSION,
            },
            FromRunner::NotRun,
            FromRunner::Done,
        ];
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|frame| wire::encode(frame).unwrap())
            .collect();
        let mut unread = BytesMut::new();
        let mut read = Vec::new();
        for byte in bytes {
            unread.extend_from_slice(&[byte]);
            read.extend(take_frame(&mut unread).unwrap());
        }
        assert_eq!(read, frames);
    }

    #[test]
    fn a_report_is_overdue_soon_after_the_bound_that_comes_first() {
        let (since, limit) = (Instant::now(), Duration::from_secs(3));
        let overdue = |job_time_ms| {
            let awaited = Awaited::new(since, limit, since + Duration::from_millis(job_time_ms));
            (awaited.bound, (awaited.by - since).as_millis())
        };
        assert_eq!(overdue(150_000), (Bound::Run, 3500));
        assert_eq!(overdue(4600), (Bound::Run, 3500));
        // Its caller does not wait longer.
        assert_eq!(overdue(3100), (Bound::Run, 3150));
        assert_eq!(overdue(3000), (Bound::Run, 3050));
        assert_eq!(overdue(2999), (Bound::Job, 3049));
    }

    #[test]
    fn bytes_that_are_no_frame_are_refused_without_waiting_for_more() {
        let mut unread = BytesMut::from(&b"hello, I am a hostile program"[..]);
        assert!(matches!(take_frame(&mut unread), Err(Error::Wire(_))));
    }
}
