//! A reader that gives no more than it is allowed to.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The number of bytes that a [`Metered`] reader may still give.
#[derive(Clone, Default)]
pub(super) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    /// Sets it, whatever is left of the last one.
    pub(super) fn set(&self, bytes: u64) {
        self.0.set(bytes);
    }
}

/// A reader that fails once its allowance is used up.
pub(super) struct Metered<R> {
    inner: R,
    allowance: Allowance,
}

impl<R> Metered<R> {
    pub(super) fn new(inner: R, allowance: &Allowance) -> Self {
        let allowance = allowance.clone();
        Self { inner, allowance }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.allowance.0.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other(
                "an entry has larger headers than any real one",
            ));
        }
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.inner.read(&mut buffer[..most])?;
        self.allowance.set(left - read as u64);
        Ok(read)
    }
}
