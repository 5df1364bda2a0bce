//! The streams of one sandbox: the worker's ends, and those of its PID 1.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::{Receiver, Sender};

/// The bytes of diagnostics that are read at a time.
const PIECE: usize = 1024;

/// The worker's ends of a sandbox's streams.
pub(super) struct Streams {
    /// To the standard input of PID 1.
    pub(super) input: Sender,
    /// From its standard output.
    pub(super) output: Receiver,
    /// From its standard error: its diagnostics.
    pub(super) diagnostics: Receiver,
}

/// The ends of PID 1: its standard input, output and error.
pub(super) struct FarEnds([OwnedFd; 3]);

impl Streams {
    /// Makes three pipes. Must be called within the runtime.
    ///
    /// # Errors
    /// There are too many open files.
    pub(super) fn new() -> io::Result<(Self, FarEnds)> {
        let pipe = || pipe_with(PipeFlags::CLOEXEC);
        let (far_input, input) = pipe()?;
        let (output, far_output) = pipe()?;
        let (diagnostics, far_diagnostics) = pipe()?;
        let streams = Self {
            input: Sender::from_owned_fd(input)?,
            output: Receiver::from_owned_fd(output)?,
            diagnostics: Receiver::from_owned_fd(diagnostics)?,
        };
        let far = FarEnds([far_input, far_output, far_diagnostics]);
        Ok((streams, far))
    }
}

impl FarEnds {
    /// Borrows them, in the order of their numbers.
    pub(super) fn borrow(&self) -> [BorrowedFd<'_>; 3] {
        self.0.each_ref().map(AsFd::as_fd)
    }
}

/// Passes each piece of diagnostics on, until their writer is gone. After `most` bytes, reads on and
/// passes on no more, so that the writer never waits.
pub(super) async fn diagnostics(mut from: Receiver, most: usize, mut to: impl FnMut(&str)) {
    let (mut piece, mut left) = (vec![0; PIECE], most);
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let said = piece.get(..read.min(left)).unwrap_or_default();
        left -= said.len();
        let text = String::from_utf8_lossy(said);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            to(line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn diagnostics_are_bounded_and_never_block_their_writer() {
        let (streams, far) = Streams::new().unwrap();
        let [_, _, far_diagnostics] = far.0;
        let mut writer = Sender::from_owned_fd(far_diagnostics).unwrap();
        let mut said = Vec::new();
        let reading = diagnostics(streams.diagnostics, 15, |line| said.push(line.to_owned()));
        let writing = async {
            writer.write_all(b"one line\n\nanother").await.unwrap();
            // More than the pipe holds.
            writer.write_all(&[b'x'; 1 << 18]).await.unwrap();
            drop(writer);
        };
        tokio::join!(reading, writing);
        assert_eq!(said, ["one line", "anoth"]);
    }
}
