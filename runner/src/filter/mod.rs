//! The system-call filter that a program runs under, on top of the engine's own. It closes what
//! the engine leaves open and a program of ours has no use for: ways to outlive its run, to reach
//! PID 1, to use up what the kernel counts across containers, and little-tested kernel surface.

mod gate;
mod tables;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch,
};

use crate::error::Error;

/// Compiled once, applied to every program.
#[derive(Clone)]
pub(crate) struct Filter {
    /// A filter has one answer for what it refuses, so there is one for each.
    programs: Arc<[BpfProgram]>,
}

impl Filter {
    pub(crate) fn build() -> Result<Self, Error> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let mut programs = vec![gate::refuse_other_numbers()];
        for (errno, rules) in [
            (libc::ENOSYS, tables::missing()),
            (libc::EAFNOSUPPORT, tables::families()?),
            (libc::EPROTONOSUPPORT, tables::protocols()?),
            // Last: it refuses further filters.
            (libc::EPERM, tables::forbidden()?),
        ] {
            programs.push(compile(rules, errno, arch)?);
        }
        Ok(Self {
            programs: programs.into(),
        })
    }

    /// Puts the calling process under the filter for good, and with it all that it becomes. Safe
    /// between fork and exec.
    pub(crate) fn apply(&self) -> io::Result<()> {
        for program in self.programs.iter() {
            seccompiler::apply_filter(program).map_err(|error| match error {
                seccompiler::Error::Prctl(source) | seccompiler::Error::Seccomp(source) => source,
                _ => io::Error::from_raw_os_error(libc::EINVAL),
            })?;
        }
        Ok(())
    }
}

/// Each system call with the conditions under which it is refused; none: always.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(rules: Rules, errno: i32, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let refusal = SeccompAction::Errno(errno.unsigned_abs());
    // A call by another architecture's table (32-bit on x86_64) kills the process.
    SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_for_this_architecture_within_the_kernels_bounds() {
        let filter = Filter::build().unwrap();
        assert_eq!(filter.programs.len(), 5);
        for program in filter.programs.iter() {
            assert!((4..4096).contains(&program.len()), "{}", program.len());
        }
    }
}
