//! Stream that ends when its peer takes what is sent too slowly.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::places::{Busy, ConnectionCounts};

/// The slowest rate at which a peer may take an answer, in bytes a second: the largest answer, 4 MiB, then
/// takes two minutes. Slow mobile networks are faster (EDGE: 16 to 48 KB/s, and what fits into the
/// kernel's buffers counts as taken at once). Apache's `mod_reqtimeout` asks 500 bytes a second of
/// senders, who hold less.
pub(crate) const SLOWEST: u32 = 32 * 1024;

/// A TCP stream whose peer has to take at least [`SLOWEST`] while bytes wait for it.
///
/// It may fall behind that by `patience`, counted in time: a second of waiting adds one, and every
/// [`SLOWEST`] bytes taken pay for one. So one byte now and then buys nothing, and neither silence
/// while there is nothing to send nor a short pause is held against anybody.
pub(crate) struct Paced {
    stream: TcpStream,
    patience: Duration,
    behind: Duration,
    waiting: Option<Waiting>,
    busy: Busy,
    counts: ConnectionCounts,
}

struct Waiting {
    since: Instant,
    /// Ends when the peer is too far behind.
    timer: Pin<Box<Sleep>>,
}

impl Paced {
    pub(crate) fn new(
        stream: TcpStream,
        patience: Duration,
        busy: Busy,
        counts: ConnectionCounts,
    ) -> Self {
        Self {
            stream,
            patience,
            behind: Duration::ZERO,
            waiting: None,
            busy,
            counts,
        }
    }

    /// Counts the outcome of a write.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(outcome) = outcome else {
            return self.wait(cx);
        };
        if let Some(waiting) = self.waiting.take() {
            self.behind += waiting.since.elapsed();
            self.busy.is_stuck(false);
        }
        if let Ok(bytes) = &outcome {
            let bytes = u32::try_from(*bytes).unwrap_or(u32::MAX);
            let paid = Duration::from_secs(bytes.into()) / SLOWEST;
            self.behind = self.behind.saturating_sub(paid);
        }
        Poll::Ready(outcome)
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let left = self.patience.saturating_sub(self.behind);
        let busy = &self.busy;
        let waiting = self.waiting.get_or_insert_with(|| {
            busy.is_stuck(true);
            let since = Instant::now();
            Waiting {
                since,
                timer: Box::pin(sleep_until(since + left)),
            }
        });
        match waiting.timer.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.counts.cut_slow();
                let message = "the peer takes its answer too slowly";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
            }
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
