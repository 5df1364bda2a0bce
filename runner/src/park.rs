//! An interpreter that is started ahead of its program. Its source file's name is a FIFO, where it
//! waits like anybody who opens one. No line of ours runs in it, and when its program has come the
//! FIFO's name is long gone.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, write};
use warren_runner::wire::Command;

use crate::conversation::{Conversation, wait_any};
use crate::error::{Doing, Error};
use crate::job::Job;
use crate::launch::Launched;
use crate::reap::Tally;
use crate::scratch::Scratch;
use crate::usage::Reading;

/// How long an interpreter may take to start up and open its source file.
const START_UP: Duration = Duration::from_secs(10);

/// How often the gate is tried: at first so, then ever less often, since the container's share of
/// a CPU is the interpreter's, too.
const EAGER: Duration = Duration::from_millis(1);
const LAZY: Duration = Duration::from_millis(5);

/// How long an interpreter may take to read a program that its gate cannot hold at once.
const READING: Duration = Duration::from_secs(2);

/// An interpreter that waits for its program.
pub(crate) struct Parked {
    /// What it was started with.
    pub(crate) command: Command,
    pub(crate) launched: Launched,
    pub(crate) gate: Gate,
    /// The container's counters before it was started.
    pub(crate) before: Reading,
}

impl Job {
    /// Starts an interpreter and waits until it waits for its program.
    ///
    /// # Errors
    /// [`Error::NotParked`], [`Error::Start`], [`Error::WorkerGone`] or a failed system call.
    pub(crate) fn park(
        &mut self,
        command: Command,
        scratch: &mut Scratch,
        conversation: &mut Conversation,
    ) -> Result<Parked, Error> {
        let give_up = self.life.end().min(Instant::now() + START_UP);
        scratch.empty(give_up)?;
        scratch.make_gate(&command.file_name)?;
        let before = self.meter.read();
        let launched = self.launcher.start(&command)?;
        let gate = self.wait_at_gate(launched.pid, &command, scratch, conversation, give_up)?;
        scratch.remove(&command.file_name)?;
        Ok(Parked {
            command,
            launched,
            gate,
            before,
        })
    }

    fn wait_at_gate(
        &self,
        pid: u32,
        command: &Command,
        scratch: &Scratch,
        conversation: &mut Conversation,
        give_up: Instant,
    ) -> Result<Gate, Error> {
        let failed = |how: String| Error::NotParked {
            program: command.args.first().cloned().unwrap_or_default(),
            how,
        };
        let mut tally = Tally::default();
        let mut pause = EAGER;
        loop {
            if let Some(pipe) = scratch.open_gate(&command.file_name)? {
                return Ok(Gate { pipe });
            }
            self.reaper.collect(pid, &mut tally)?;
            if let Some(status) = tally.main {
                return Err(failed(format!(
                    "ended ({status}) before it opened its source file"
                )));
            }
            let now = Instant::now();
            if now >= give_up {
                self.life.check()?;
                return Err(failed(format!(
                    "did not open its source file within {START_UP:?}"
                )));
            }
            let mut fds = [
                PollFd::from_borrowed_fd(conversation.ear(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.reaper.bell(), PollFlags::IN),
            ];
            wait_any(&mut fds, give_up.min(now + pause))?;
            if !fds[0].revents().is_empty() {
                conversation.pull()?;
            }
            pause = (pause * 2).min(LAZY);
        }
    }

    /// Whether the interpreter still waits. Nobody needs to know before there is a job for it.
    pub(crate) fn is_waiting(&self, parked: &Parked) -> Result<bool, Error> {
        let mut tally = Tally::default();
        self.reaper.collect(parked.launched.pid, &mut tally)?;
        Ok(tally.main.is_none())
    }

    /// Ends an interpreter that is not wanted. No run is charged for it.
    pub(crate) fn discard(&self, pid: u32) -> Result<(), Error> {
        if self.reaper.end_all(pid, &mut Tally::default())? {
            Ok(())
        } else {
            Err(Error::Unkillable)
        }
    }
}

/// The end of the FIFO through which the program comes.
pub(crate) struct Gate {
    pipe: OwnedFd,
}

impl Gate {
    /// Hands the program over and lets the interpreter go. Returns the moment of that; `None` if
    /// nobody is at the gate any more.
    ///
    /// # Errors
    /// [`Error::GateStuck`]: it must not run half of a program.
    pub(crate) fn let_go(self, code: &[u8]) -> Result<Option<Instant>, Error> {
        let give_up = Instant::now() + READING;
        let mut rest = code;
        while !rest.is_empty() {
            match write(&self.pipe, rest) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) if rest.len() == code.len() => return Ok(None),
                // It has read enough to know that this is no program.
                Err(Errno::PIPE) => break,
                Err(Errno::AGAIN) if Instant::now() < give_up => {
                    let pipe = PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::OUT);
                    wait_any(&mut [pipe], give_up)?;
                }
                Err(Errno::AGAIN) => return Err(Error::GateStuck),
                Err(error) => return Err(error).doing("handing over the program"),
            }
        }
        // Before the close: whoever is let go may get the CPU first.
        let moment = Instant::now();
        drop(self.pipe);
        Ok(Some(moment))
    }
}
