//! The worker's side of the wire: messages to and from PID 1 of one container.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};
use warren_runner::wire::{self, Execute, FromRunner, Pace, Park, RunReport, ToRunner};

use crate::engine::core::Core;
use crate::engine::{Container, ContainerId, Death, Handle};
use crate::{Error, Result};

/// The longest time from a container's start until PID 1 is ready.
const READY: Duration = Duration::from_secs(5);
/// The longest time that an interpreter may take to start up and wait for its program.
const PARK: Duration = Duration::from_secs(10);
/// The longest time past the job's budget in which its last report may arrive.
const REPORT: Duration = Duration::from_millis(750);

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

/// A container whose PID 1 is up, and its streams as frames. Dropping it removes the container.
pub(crate) struct Conversation {
    container: Container,
    unread: BytesMut,
    /// Whether a job was handed over to PID 1.
    handed_over: bool,
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
            handed_over: false,
        };
        let by = Instant::now() + READY;
        match conversation.next(by, READY, "start").await {
            Ok(FromRunner::Ready {
                version: wire::VERSION,
            }) => Ok(conversation),
            Ok(FromRunner::Ready { version }) => Err(Error::RunnerVersion(version)),
            Ok(other) => Err(unexpected(&other)),
            Err(Error::ContainerDied(_)) => Err(died(conversation.handle().death().await)),
            Err(error) => Err(error),
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
    /// PID 1 or the container failed; nothing that the program does is an error. Runs that were
    /// reported before remain valid.
    pub(crate) async fn execute(
        &mut self,
        execute: Execute,
        mut report: impl FnMut(Reported) -> Next + Send,
    ) -> Result<()> {
        let (runs, pace, within) = (execute.inputs.len(), execute.pace, execute.budget + REPORT);
        let by = Instant::now() + within;
        self.send(&ToRunner::Execute(execute), by, within, "take its job")
            .await?;
        self.handed_over = true;
        for left in (0..runs).rev() {
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

    /// Returns whether all of a job has been handed over, so that its program may have begun.
    pub(crate) fn was_handed_over(&self) -> bool {
        self.handed_over
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

    /// Returns the handle that knows how the container died.
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

/// Makes the error for a container whose streams ended.
pub(crate) fn died(death: Option<Death>) -> Error {
    let how = death.map(|death| format!(" (exit status {})", death.exit_code));
    Error::ContainerDied(how.unwrap_or_default())
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
    fn bytes_that_are_no_frame_are_refused_without_waiting_for_more() {
        let mut unread = BytesMut::from(&b"hello, I am a hostile program"[..]);
        assert!(matches!(take_frame(&mut unread), Err(Error::Wire(_))));
    }
}
