//! The system-call filter that a program runs under, on top of the engine's own.
//!
//! It closes what the engine leaves open and no such program has a use for: ways to outlive its run,
//! to reach PID 1, to use up resources that the kernel counts across containers, and little-tested
//! kernel surface.

mod arguments;
mod conditions;
mod prologue;
mod sockets;
mod tables;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter, TargetArch};

pub(crate) use self::sockets::Sockets;
use self::tables::Rules;
use crate::error::Error;
use crate::sys;

/// A filter, compiled once and applied to every program.
#[derive(Clone)]
pub(crate) struct Filter {
    /// The program that asks PID 1 about calls that lock a file.
    asking: Arc<BpfProgram>,
    /// The program that refuses calls.
    refusing: Arc<BpfProgram>,
}

impl Filter {
    pub(crate) fn build(sockets: Sockets) -> Result<Self, Error> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let mut forbidden = tables::forbidden();
        forbidden.extend(arguments::forbidden()?);
        forbidden.extend(sockets::options()?);
        // The library's programs have only one answer each for what they refuse. As filters of their own
        // they would take longer to load, for each run.
        let mut parts = vec![prologue::refuse_other_numbers()];
        for (errno, rules) in [
            (libc::ENOSYS, tables::missing()),
            (libc::EAFNOSUPPORT, sockets::families(sockets)?),
            (libc::EPROTONOSUPPORT, sockets::protocols()?),
            (libc::EPERM, forbidden),
        ] {
            parts.push(compile(rules, errno, arch)?);
        }
        // The answer is a stand-in.
        let mut asking = compile(arguments::locks()?, 0, arch)?;
        prologue::ask_instead(&mut asking);
        Ok(Self {
            asking: asking.into(),
            refusing: prologue::in_turn(parts).into(),
        })
    }

    /// Applies the filter to the calling process irrevocably, through exec and fork. Returns the
    /// descriptor at which PID 1 can answer what the filter asks; `None` where the kernel does not ask
    /// (before 5.0), or already asks somebody else. Safe between fork and exec.
    pub(crate) fn apply(&self) -> io::Result<Option<OwnedFd>> {
        let listener = match sys::apply_asking_filter(&self.asking) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBUSY)) => None,
            listener => Some(listener?),
        };
        // Last: it refuses further filters.
        seccompiler::apply_filter(&self.refusing).map_err(|error| match error {
            seccompiler::Error::Prctl(source) | seccompiler::Error::Seccomp(source) => source,
            _ => io::Error::from_raw_os_error(libc::EINVAL),
        })?;
        Ok(listener)
    }
}

fn compile(rules: Rules, errno: i32, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let refusal = SeccompAction::Errno(errno.unsigned_abs());
    let mut program = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch)?.try_into()?;
    prologue::refuse_other_architectures(&mut program);
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_for_this_architecture_within_the_kernels_bounds() {
        for sockets in [Sockets::Local, Sockets::Internet] {
            let filter = Filter::build(sockets).unwrap();
            for program in [filter.asking, filter.refusing] {
                assert!((4..4096).contains(&program.len()), "{}", program.len());
            }
        }
    }
}
