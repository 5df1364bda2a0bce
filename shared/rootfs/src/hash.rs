//! SHA-256 in the forms that images use.

use std::fmt::Write;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// The name of the only algorithm that is taken.
const PREFIX: &str = "sha256:";
/// The length of a hash in hexadecimal digits.
const DIGITS: usize = 64;

/// Returns the SHA-256 of some bytes, as `sha256:HEX`.
pub(crate) fn of(bytes: &[u8]) -> String {
    formatted(&Sha256::digest(bytes))
}

fn formatted(hash: &[u8]) -> String {
    let mut text = PREFIX.to_owned();
    for byte in hash {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Returns the digits of a digest `sha256:HEX`; `None` if it is none, or of another algorithm. The
/// digits are safe as a file's name.
pub(crate) fn digits(digest: &str) -> Option<&str> {
    let digits = digest.strip_prefix(PREFIX)?;
    let is_hash = digits.len() == DIGITS
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then_some(digits)
}

/// A reader that hashes everything that passes through it.
pub(crate) struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }

    /// Reads to the end, at most `most` bytes more, and returns the digest of everything. `None` if
    /// there is more.
    pub(crate) fn finish(mut self, most: u64) -> io::Result<Option<String>> {
        let read = io::copy(&mut (&mut self).take(most + 1), &mut io::sink())?;
        Ok((read <= most).then(|| formatted(&self.hash.finalize())))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_everything_that_was_read() {
        let mut reader = Hashing::new(&b"abc"[..]);
        let mut two = [0; 2];
        reader.read_exact(&mut two).unwrap();
        assert_eq!(reader.finish(1).unwrap(), Some(of(b"abc")));
        assert_eq!(Hashing::new(&b"abc"[..]).finish(2).unwrap(), None);
    }

    #[test]
    fn only_plain_digests_are_names() {
        let good = of(b"abc");
        assert_eq!(digits(&good).map(str::len), Some(64));
        for bad in [
            "sha256:",
            "sha512:ab",
            &good.to_uppercase(),
            &good.replace('a', "/"),
            &good[..70],
        ] {
            assert_eq!(digits(bad), None, "{bad}");
        }
    }
}
