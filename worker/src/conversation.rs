//! The worker's side of the wire: one job, told to PID 1, and its reports.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};
use warren_runner::wire::{self, Execute, FromRunner, RunReport, ToRunner};

use crate::engine::Container;
use crate::{Error, Result};

/// How long PID 1 may take from the container's start until it says that it is ready.
const READY: Duration = Duration::from_secs(5);
/// How long past the job's budget its last report may be on its way.
const REPORT: Duration = Duration::from_millis(750);

/// What became of one run: reported, or out of the job's time.
pub type Reported = Option<RunReport>;

/// A container's streams as frames.
pub struct Conversation<'a> {
    container: &'a mut Container,
    unread: BytesMut,
}

impl<'a> Conversation<'a> {
    /// Waits until PID 1 is there and speaks our version.
    ///
    /// # Errors
    /// It is not, or the container died.
    pub async fn open(container: &'a mut Container) -> Result<Self> {
        let mut conversation = Self {
            container,
            unread: BytesMut::new(),
        };
        let by = Instant::now() + READY;
        match conversation.next(by, READY, "start").await? {
            FromRunner::Ready {
                version: wire::VERSION,
            } => Ok(conversation),
            FromRunner::Ready { version } => Err(Error::RunnerVersion(version)),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the program run and gathers a report for each of its inputs, in order, into `reports`.
    ///
    /// # Errors
    /// PID 1 or the container failed; what the program did is never an error. The reports that
    /// came before are there.
    pub async fn execute(mut self, execute: Execute, reports: &mut Vec<Reported>) -> Result<()> {
        let (runs, within) = (execute.inputs.len(), execute.budget + REPORT);
        let by = Instant::now() + within;
        let frame = wire::encode(&ToRunner::Execute(execute))?;
        let input = &mut self.container.input;
        match timeout_at(by, async {
            input.write_all(&frame).await?;
            input.flush().await
        })
        .await
        {
            Ok(sent) => sent.map_err(Error::Stream)?,
            Err(_elapsed) => {
                return Err(Error::RunnerTimedOut {
                    doing: "take its job",
                    within,
                });
            }
        }
        while reports.len() < runs {
            match self.next(by, within, "report").await? {
                FromRunner::Finished(report) => reports.push(Some(report)),
                FromRunner::NotRun => reports.push(None),
                FromRunner::Failed { reason } => return Err(Error::RunnerFailed(reason)),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(())
    }

    /// The next frame, by then.
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

/// Takes one whole frame off the front, if one is there.
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
    fn frames_come_whole_however_they_were_cut() {
        let frames = [
            FromRunner::Ready { version: 1 },
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
    fn what_is_no_frame_is_refused_before_it_is_waited_for() {
        let mut unread = BytesMut::from(&b"hello, I am a hostile program"[..]);
        assert!(matches!(take_frame(&mut unread), Err(Error::Wire(_))));
    }
}
