//! Captures an output stream: its beginning up to a cap, its length, its last bytes.

use std::collections::VecDeque;

use warren_runner::wire::Stream;

/// The number of last bytes that are kept: room for the stack trace after a fatal message.
const TAIL: usize = 8 * 1024;

/// A capture of one stream.
#[derive(Debug)]
pub(crate) struct Capture {
    kept: Vec<u8>,
    cap: usize,
    total: u64,
    tail: VecDeque<u8>,
}

impl Capture {
    pub(crate) fn new(cap: u64) -> Self {
        Self {
            kept: Vec::new(),
            cap: usize::try_from(cap).unwrap_or(usize::MAX),
            total: 0,
            tail: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.cap - self.kept.len();
        self.kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.total = self.total.saturating_add(bytes.len() as u64);

        let end = &bytes[bytes.len().saturating_sub(TAIL)..];
        let surplus = (self.tail.len() + end.len()).saturating_sub(TAIL);
        self.tail.drain(..surplus);
        self.tail.extend(end);
    }

    /// Returns the number of bytes that have arrived, kept or not.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Returns the last bytes that have arrived.
    pub(crate) fn tail(&mut self) -> &[u8] {
        self.tail.make_contiguous()
    }

    pub(crate) fn into_stream(self) -> Stream {
        Stream {
            truncated: self.total > self.kept.len() as u64,
            bytes: self.kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(cap: u64, chunks: &[&[u8]]) -> Capture {
        let mut capture = Capture::new(cap);
        chunks.iter().for_each(|chunk| capture.push(chunk));
        capture
    }

    #[test]
    fn keeps_everything_below_the_cap() {
        let stream = captured(8, &[b"abc", b"", b"defgh"]).into_stream();
        assert_eq!(stream.bytes, b"abcdefgh");
        assert!(!stream.truncated);
    }

    #[test]
    fn keeps_the_beginning_and_reports_that_there_was_more() {
        let mut capture = captured(8, &[b"abcdef", b"ghi", b"jkl"]);
        assert_eq!(capture.total(), 12);
        assert_eq!(capture.tail(), b"abcdefghijkl");
        let stream = capture.into_stream();
        assert_eq!(stream.bytes, b"abcdefgh");
        assert!(stream.truncated);
    }

    #[test]
    fn keeps_the_last_bytes_however_they_were_split() {
        let long: Vec<u8> = (0..3 * TAIL).map(|n| b"0123456789a"[n % 11]).collect();
        let last = &long[long.len() - TAIL..];
        assert_eq!(captured(4, &[&long]).tail(), last);
        assert_eq!(
            captured(4, &[&long[..TAIL + 7], &long[TAIL + 7..]]).tail(),
            last
        );
        let mut bytewise = Capture::new(4);
        long.iter().for_each(|byte| bytewise.push(&[*byte]));
        assert_eq!(bytewise.tail(), last);
    }

    #[test]
    fn keeps_nothing_with_a_cap_of_zero() {
        let stream = captured(0, &[b"x"]).into_stream();
        assert!(stream.bytes.is_empty() && stream.truncated);
    }
}
