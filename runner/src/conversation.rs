//! The runner's side of the conversation with the worker.
//!
//! None of its reads or writes can hang.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::io::{Errno, read, write};
use warren_runner::wire::{self, FromRunner, HEAD, MAX_FRAME};

use crate::error::{Doing, Error};
use crate::in_flight;
use crate::life::Life;
use crate::shield::WorkerEnds;
use crate::sys;
use crate::wait::{wait, wait_for_memory};

/// The longest time that the worker may take to read a frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of bytes that one read takes at least.
const CHUNK: usize = 64 * 1024;

/// The streams to and from the worker, as frames.
pub(crate) struct Conversation {
    from_worker: OwnedFd,
    to_worker: OwnedFd,
    /// Bytes that were read and are not yet a whole frame.
    inbox: Vec<u8>,
}

impl Conversation {
    pub(crate) fn new(ends: WorkerEnds) -> Result<Self, Error> {
        for end in [&ends.from, &ends.to] {
            rustix::io::ioctl_fionbio(end, true)
                .doing("making the worker's streams non-blocking")?;
        }
        Ok(Self {
            from_worker: ends.from,
            to_worker: ends.to,
            inbox: Vec::new(),
        })
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`Error::WorkerGone`], [`Error::LifeOver`], or bytes that are no frame.
    pub(crate) fn receive<M: serde::de::DeserializeOwned>(
        &mut self,
        life: Life,
    ) -> Result<M, Error> {
        self.receive_by(life.end())?.ok_or(Error::LifeOver)
    }

    /// Waits for the next message, until a moment.
    ///
    /// # Errors
    /// [`Error::WorkerGone`], or bytes that are no frame.
    pub(crate) fn receive_by<M: serde::de::DeserializeOwned>(
        &mut self,
        until: Instant,
    ) -> Result<Option<M>, Error> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(Some(message));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            wait(self.from_worker.as_fd(), PollFlags::IN, until)?;
            self.pull()?;
        }
    }

    /// Installs a panic hook that reports a panic to the worker, then ends the runner.
    pub(crate) fn report_panics(&self) -> Result<(), Error> {
        let to_worker = self
            .to_worker
            .try_clone()
            .doing("keeping a way to report a panic")?;
        std::panic::set_hook(Box::new(move |panic| {
            let location = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            // Leaves out the panic's message, which may show data.
            let reason = format!("the runner has a bug: it panicked at {location}");
            sys::diagnose(&reason);
            if let Ok(frame) = wire::encode(&FromRunner::Failed { reason }) {
                // Written whole or not at all: it is shorter than what a pipe takes at once.
                let _ = write(&to_worker, &frame);
            }
            std::process::exit(1);
        }));
        Ok(())
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// [`Error::WorkerGone`], or [`Error::WorkerStuck`] if it does not read.
    pub(crate) fn send(&mut self, message: &FromRunner, life: Life) -> Result<(), Error> {
        let frame = wire::encode(message)?;
        let until = life.end().min(Instant::now() + PATIENCE);
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match write(&self.to_worker, rest) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if Instant::now() < until => {
                    wait(self.to_worker.as_fd(), PollFlags::OUT, until)?;
                }
                Err(Errno::AGAIN) => return Err(Error::WorkerStuck),
                Err(Errno::NOMEM) if Instant::now() < until => {
                    // No program is alive, but what it left in flight may hold all of the memory.
                    in_flight::collect();
                    wait_for_memory();
                }
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Error::WorkerGone),
                Err(error) => return Err(error).doing("writing to the worker"),
            }
        }
        Ok(())
    }

    /// Returns the descriptor to poll for input: a message, or the worker's end.
    pub(crate) fn input(&self) -> BorrowedFd<'_> {
        self.from_worker.as_fd()
    }

    /// Reads the bytes that have arrived, if any.
    ///
    /// # Errors
    /// [`Error::WorkerGone`] when the stream has ended, [`Error::BadJob`] when the worker sends
    /// more than one message holds.
    pub(crate) fn pull(&mut self) -> Result<(), Error> {
        self.inbox.reserve(CHUNK);
        match read(&self.from_worker, spare_capacity(&mut self.inbox)) {
            Ok(0) | Err(Errno::CONNRESET) => Err(Error::WorkerGone),
            Ok(_) if self.inbox.len() > HEAD + MAX_FRAME => {
                Err(Error::BadJob("it is followed by more than a frame"))
            }
            Ok(_) => Ok(()),
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error).doing("reading from the worker"),
        }
    }

    fn take_message<M: serde::de::DeserializeOwned>(&mut self) -> Result<Option<M>, Error> {
        let Some((head, rest)) = self.inbox.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let len = wire::body_len(*head)?;
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        let message = wire::decode(body)?;
        self.inbox.drain(..HEAD + len);
        Ok(Some(message))
    }
}
