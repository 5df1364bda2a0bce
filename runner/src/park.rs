//! Parks an interpreter: starts it ahead of its program, so that it waits pre-warmed.
//!
//! The interpreter's source file is a FIFO, where it waits like any process that opens one. No line
//! of Warren's runs in it but what sets its clocks ([`warren_runner::parked`]), and the FIFO's name is
//! removed long before its program runs.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, write};
use warren_runner::wire::{Command, Park};

use crate::conversation::Conversation;
use crate::error::{Doing, Error};
use crate::launch::Launched;
use crate::reap::Reaped;
use crate::sandbox::Sandbox;
use crate::scratch::Scratch;
use crate::sys;
use crate::usage::Reading;
use crate::wait::wait_any;

/// The longest time that an interpreter may take to start up and open its source file.
const START_UP: Duration = Duration::from_secs(10);

/// The first pause between two attempts to open the FIFO. It grows to [`LAZY`], since the interpreter
/// shares the container's CPU.
const EAGER: Duration = Duration::from_millis(1);
/// The longest such pause.
const LAZY: Duration = Duration::from_millis(5);

/// The longest time that an interpreter may take to read a program that the FIFO cannot hold at once.
/// The program's time has not begun, but the worker waits.
const READING: Duration = Duration::from_millis(250);

/// An interpreter that waits for its program.
pub(crate) struct Parked {
    /// The command that it was started with.
    pub(crate) command: Command,
    pub(crate) launched: Launched,
    pub(crate) fifo: SourceFifo,
    /// The container's counters before it was started.
    pub(crate) before: Reading,
}

impl Parked {
    /// Starts an interpreter and waits until it waits for its program.
    ///
    /// # Errors
    /// [`Error::NotParked`], [`Error::Start`], [`Error::WorkerGone`] or a failed system call.
    pub(crate) fn start(
        park: Park,
        sandbox: &mut Sandbox,
        scratch: &mut Scratch,
        conversation: &mut Conversation,
    ) -> Result<Self, Error> {
        let Park {
            command,
            environment,
        } = park;
        let give_up = sandbox.life.end().min(Instant::now() + START_UP);
        scratch.empty(give_up)?;
        scratch.make_fifo(&command.file_name)?;
        let before = sandbox.meter.read();
        let launched = sandbox.launcher.start(&command, &environment)?;
        let fifo = wait_at_fifo(
            launched.pid,
            &command,
            sandbox,
            scratch,
            conversation,
            give_up,
        )?;
        scratch.remove(&command.file_name)?;
        Ok(Self {
            command,
            launched,
            fifo,
            before,
        })
    }

    /// Returns whether the interpreter still waits. Nobody needs to know before its job arrives.
    pub(crate) fn is_waiting(&self, sandbox: &Sandbox) -> Result<bool, Error> {
        let mut reaped = Reaped::default();
        sandbox.reaper.collect(self.launched.pid, &mut reaped)?;
        Ok(reaped.main.is_none())
    }
}

fn wait_at_fifo(
    pid: u32,
    command: &Command,
    sandbox: &Sandbox,
    scratch: &Scratch,
    conversation: &mut Conversation,
    give_up: Instant,
) -> Result<SourceFifo, Error> {
    let failed = |how: String| Error::NotParked {
        program: command.args.first().cloned().unwrap_or_default(),
        how,
    };
    let mut reaped = Reaped::default();
    let mut pause = EAGER;
    loop {
        if let Some(pipe) = scratch.open_fifo(&command.file_name)? {
            return Ok(SourceFifo { pipe });
        }
        sandbox.reaper.collect(pid, &mut reaped)?;
        if let Some(status) = reaped.main {
            return Err(failed(format!(
                "ended ({status}) before it opened its source file"
            )));
        }
        let now = Instant::now();
        if now >= give_up {
            sandbox.life.check()?;
            return Err(failed(format!(
                "did not open its source file within {START_UP:?}"
            )));
        }
        let mut fds = [
            PollFd::from_borrowed_fd(conversation.input(), PollFlags::IN),
            PollFd::from_borrowed_fd(sandbox.reaper.exits(), PollFlags::IN),
        ];
        wait_any(&mut fds, give_up.min(now + pause))?;
        if !fds[0].revents().is_empty() {
            conversation.pull()?;
        }
        pause = (pause * 2).min(LAZY);
    }
}

/// The writing end of the FIFO that an interpreter reads its program from.
pub(crate) struct SourceFifo {
    pipe: OwnedFd,
}

impl SourceFifo {
    /// Hands the program over and lets the interpreter go. Returns the moment at which it did;
    /// `None` if the interpreter has died, or did not read the program in time.
    pub(crate) fn let_go(self, code: &[u8]) -> Result<Option<Instant>, Error> {
        let give_up = Instant::now() + READING;
        let mut rest = code;
        while !rest.is_empty() {
            match write(&self.pipe, rest) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) if rest.len() == code.len() => return Ok(None),
                // It has read enough to reject this as a program.
                Err(Errno::PIPE) => break,
                Err(Errno::AGAIN) if Instant::now() < give_up => {
                    let pipe = PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::OUT);
                    wait_any(&mut [pipe], give_up)?;
                }
                Err(Errno::AGAIN) => {
                    // Before the FIFO closes: the interpreter must not run half of a program.
                    sys::kill_all();
                    return Ok(None);
                }
                Err(error) => return Err(error).doing("handing over the program"),
            }
        }
        // Before the close: the interpreter may get the CPU first.
        let moment = Instant::now();
        drop(self.pipe);
        Ok(Some(moment))
    }
}
