//! The system-call filter that a program runs under, on top of the engine's own.
//!
//! It closes what the engine leaves open and no such program has a use for: ways to outlive its run,
//! to reach PID 1, to use up resources that the kernel counts across containers, and little-tested
//! kernel surface.

mod arguments;
mod conditions;
mod program;
mod sockets;
mod tables;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;

use libc::sock_filter;

use self::program::Ruling;
pub(crate) use self::sockets::Sockets;
use self::tables::Rules;
use crate::error::Error;
use crate::sys;

/// A filter, rendered once and applied to every program. One BPF program and not one for each answer,
/// since the kernel translates each anew for every run.
pub(crate) struct Filter {
    /// The whole.
    whole: Vec<sock_filter>,
    /// The same without the calls that PID 1 is asked about, which are let through.
    unasked: Vec<sock_filter>,
}

impl Filter {
    /// # Errors
    /// [`Error::Filter`], whatever the kernel.
    pub(crate) fn build(sockets: Sockets) -> Result<Self, Error> {
        let mut parts = refused(sockets);
        // Last: a call that is refused is not asked about.
        parts.push((Ruling::Ask, arguments::locks()));
        let whole = program::render(&parts).ok_or(Error::Filter)?;
        let unasked = program::unasked(&whole);
        Ok(Self { whole, unasked })
    }

    /// Applies the filter to the calling process irrevocably, through exec and fork. Returns the
    /// descriptor at which PID 1 can answer what the filter asks; `None` where the kernel does not ask
    /// (before 5.0), or already asks somebody else. Safe between fork and exec.
    pub(crate) fn apply(&self) -> io::Result<Option<OwnedFd>> {
        rustix::thread::set_no_new_privs(true)?;
        match sys::apply_asking_filter(&self.whole) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBUSY)) => {
                sys::apply_filter(&self.unasked).map(|()| None)
            }
            listener => listener.map(Some),
        }
    }
}

/// Returns what is refused, by the answer; the first that fits a call counts.
fn refused(sockets: Sockets) -> Vec<(Ruling, Rules)> {
    let mut forbidden = tables::forbidden();
    forbidden.extend(arguments::forbidden());
    forbidden.extend(sockets::options());
    let parts = [
        (libc::ENOSYS, tables::missing()),
        (libc::EAFNOSUPPORT, sockets::families(sockets)),
        (libc::EPROTONOSUPPORT, sockets::protocols()),
        (libc::EPERM, forbidden),
    ];
    let parts = parts.into_iter();
    parts
        .map(|(errno, rules)| (Ruling::Refuse(errno), rules))
        .collect()
}
