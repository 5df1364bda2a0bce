//! Watches one program: feeds its input, reads its output, and stops it at a bound.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, read, write};

use crate::capture::Capture;
use crate::conversation::Conversation;
use crate::ending::KillReason;
use crate::error::{Doing, Error};
use crate::launch::Launched;
use crate::locks::Locks;
use crate::reap::{Reaped, Reaper};
use crate::wait::{wait_any, wait_for_memory};

/// The number of bytes that one read takes.
const CHUNK: usize = 64 * 1024;

/// A read this short means that the program prints in small pieces.
const SMALL: usize = 4 * 1024;

/// The time for which small pieces may gather in the pipe. Waking up for each would cost the
/// program, which shares its quota of CPU with PID 1, more than the printing itself.
const GATHER: Duration = Duration::from_millis(2);

/// The bounds at which a program is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) deadline: Instant,
    /// The reason that the deadline gives.
    pub(crate) reason: KillReason,
    /// The number of bytes on one stream that count as a flood.
    pub(crate) flood: u64,
}

/// A program under watch.
pub(crate) struct Watch<'a> {
    pub(crate) pid: u32,
    stdin: Feed<'a>,
    pub(crate) stdout: Tap,
    pub(crate) stderr: Tap,
    locks: Option<Locks>,
    /// What one read takes. Not zeroed, and not on the stack: most reads are small, and each page that
    /// is touched for the first time costs as much as a read.
    chunk: Vec<u8>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(launched: Launched, input: &'a [u8], kept: u64) -> Self {
        Self {
            pid: launched.pid,
            stdin: Feed {
                pipe: (!input.is_empty()).then_some(launched.stdin),
                rest: input,
            },
            stdout: Tap::new(launched.stdout, kept),
            stderr: Tap::new(launched.stderr, kept),
            locks: launched.locks,
            chunk: Vec::with_capacity(CHUNK),
        }
    }

    /// Writes as much of the program's input as its pipe takes.
    pub(crate) fn feed(&mut self) -> Result<(), Error> {
        self.stdin.push()
    }

    /// Watches until the program's first process has ended (`None`) or is to be stopped.
    ///
    /// # Errors
    /// [`Error::WorkerGone`], or a failed system call.
    pub(crate) fn until_end(
        &mut self,
        bounds: Bounds,
        reaper: &Reaper,
        reaped: &mut Reaped,
        conversation: &mut Conversation,
    ) -> Result<Option<KillReason>, Error> {
        let mut gathering = Instant::now();
        loop {
            reaper.collect(self.pid, reaped)?;
            if reaped.main.is_some() {
                return Ok(None);
            }
            if self.flooded(bounds.flood) {
                return Ok(Some(KillReason::Flood));
            }
            let now = Instant::now();
            if now >= bounds.deadline {
                return Ok(Some(bounds.reason));
            }
            let listen = now >= gathering;
            let until = if listen {
                bounds.deadline
            } else {
                gathering.min(bounds.deadline)
            };
            let events = self.wait(until, listen, reaper, conversation)?;
            if !events.of_locks.is_empty() && !events.of_locks.contains(PollFlags::IN) {
                // Nobody is left who could make such a call. The last process is ending, and its memory
                // is not given back yet: the kernel's memory killer no longer sees it, and takes PID 1
                // if that needs another page now. So it does nothing but wait.
                self.locks = None;
                continue;
            }
            if events.of_worker {
                conversation.pull()?;
            }
            self.answer(events.of_locks);
            self.feed()?;
            if listen {
                let chunk = &mut self.chunk;
                let most = self.stdout.pull(chunk)?.max(self.stderr.pull(chunk)?);
                if (1..SMALL).contains(&most) {
                    gathering = Instant::now() + GATHER;
                }
            }
        }
    }

    /// Reads the rest of the pipes. No process may be alive to write more.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        for tap in [&mut self.stdout, &mut self.stderr] {
            while tap.pull(&mut self.chunk)? > 0 {}
        }
        Ok(())
    }

    pub(crate) fn flooded(&self, flood: u64) -> bool {
        self.stdout.capture.total().max(self.stderr.capture.total()) >= flood
    }

    /// Answers a call that locks a file, if one waits.
    fn answer(&mut self, events: PollFlags) {
        let answered = match &mut self.locks {
            Some(locks) if events.contains(PollFlags::IN) => locks.answer(),
            _ => Ok(()),
        };
        if answered.is_err() {
            self.locks = None;
        }
    }

    /// Waits for an event.
    fn wait(
        &self,
        until: Instant,
        listen: bool,
        reaper: &Reaper,
        conversation: &Conversation,
    ) -> Result<Events, Error> {
        let mut fds = vec![
            PollFd::from_borrowed_fd(conversation.input(), PollFlags::IN),
            PollFd::from_borrowed_fd(reaper.exits(), PollFlags::IN),
        ];
        let locks = self.locks.as_ref().map(|locks| {
            fds.push(PollFd::from_borrowed_fd(locks.calls(), PollFlags::IN));
            fds.len() - 1
        });
        let input = self.stdin.pipe.iter();
        fds.extend(input.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        let taps = [&self.stdout, &self.stderr];
        let outputs = taps.into_iter().filter_map(|tap| tap.pipe.as_ref());
        fds.extend(
            outputs
                .filter(|_| listen)
                .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
        );
        wait_any(&mut fds, until)?;
        let events = |at: usize| fds.get(at).map_or(PollFlags::empty(), PollFd::revents);
        Ok(Events {
            of_worker: !events(0).is_empty(),
            of_locks: locks.map_or(PollFlags::empty(), events),
        })
    }
}

/// The events that somebody has to act on at once.
struct Events {
    /// Whether the worker has sent something or has gone.
    of_worker: bool,
    of_locks: PollFlags,
}

/// The rest of the program's standard input.
struct Feed<'a> {
    pipe: Option<OwnedFd>,
    rest: &'a [u8],
}

impl Feed<'_> {
    /// Writes as much as the pipe takes, and closes it after the last byte.
    fn push(&mut self) -> Result<(), Error> {
        while let Some(pipe) = &self.pipe {
            match write(pipe.as_fd(), self.rest) {
                Ok(n) => self.rest = &self.rest[n..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::NOMEM) => {
                    // The program holds what the pipe needs. The memory killer or the program's
                    // deadline changes that; until then poll says that the pipe has room.
                    wait_for_memory();
                    return Ok(());
                }
                // The program has closed its input, as it may.
                Err(Errno::PIPE) => self.rest = &[],
                Err(error) => return Err(error).doing("writing a program's input"),
            }
            if self.rest.is_empty() {
                self.pipe = None;
            }
        }
        Ok(())
    }
}

/// One output stream of the program.
pub(crate) struct Tap {
    pipe: Option<OwnedFd>,
    pub(crate) capture: Capture,
}

impl Tap {
    fn new(pipe: OwnedFd, kept: u64) -> Self {
        Self {
            pipe: Some(pipe),
            capture: Capture::new(kept),
        }
    }

    /// Reads once. Returns the number of bytes: 0 if none is available now, or the stream has
    /// ended.
    fn pull(&mut self, chunk: &mut Vec<u8>) -> Result<usize, Error> {
        let Some(pipe) = &self.pipe else { return Ok(0) };
        chunk.clear();
        loop {
            match read(pipe, spare_capacity(chunk)) {
                Ok(0) => {
                    self.pipe = None;
                    return Ok(0);
                }
                Ok(n) => {
                    self.capture.push(chunk);
                    return Ok(n);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(0),
                Err(error) => return Err(error).doing("reading a program's output"),
            }
        }
    }
}
