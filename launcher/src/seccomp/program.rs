//! The filter of a sandbox, and how a process puts itself under one.

use std::collections::BTreeMap;
use std::io;

use warren_bpf::{Answer, Decision, Rules, sock_filter};

use super::calls::Call;
use super::rules::{Caller, RULES, Verdict};

/// The answers to calls that are not allowed.
const NOT_PERMITTED: Answer = Answer::Refuse(1);
const NO_SUCH_CALL: Answer = Answer::Refuse(38);

/// Decisions by the call's number.
pub(crate) type Decisions = BTreeMap<u32, Decision>;

/// A filter as the kernel loads it.
#[derive(Clone, Debug)]
pub struct Program {
    instructions: Vec<sock_filter>,
}

impl Program {
    /// Builds the filter of a sandbox.
    #[must_use]
    pub fn build() -> Self {
        Self::of(sandbox())
    }

    /// Builds a filter that allows nothing but this.
    pub(crate) fn of(calls: Decisions) -> Self {
        let rules = Rules {
            calls,
            unlisted: NOT_PERMITTED,
            unknown: NO_SUCH_CALL,
        };
        let instructions = rules.compile();
        Self { instructions }
    }

    /// Returns its instructions.
    #[must_use]
    pub fn instructions(&self) -> &[sock_filter] {
        &self.instructions
    }

    /// Puts the calling thread under this filter irrevocably, through exec and fork. Safe between
    /// fork and exec: it allocates nothing.
    ///
    /// # Errors
    /// The thread may gain privileges by exec and has no `CAP_SYS_ADMIN`, or the kernel has no
    /// filters.
    pub fn load(&self) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.instructions.len()).unwrap_or(u16::MAX),
            filter: self.instructions.as_ptr().cast_mut(),
        };
        #[expect(unsafe_code, reason = "the call has no safe interface")]
        // SAFETY: the kernel only reads the program, which lives until the call returns.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0_u32,
                &raw const program,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

/// Returns the decisions about what a sandbox calls.
pub(crate) fn sandbox() -> Decisions {
    let own = RULES.iter().filter(|rule| rule.for_whom == Caller::Sandbox);
    let mut decisions = Decisions::new();
    for rule in own {
        let decision = match rule.verdict {
            Verdict::Allow => Decision::Always(Answer::Allow),
            Verdict::AllowIf(condition) => Decision::AllowedIf(condition),
            Verdict::Miss => Decision::Always(NO_SUCH_CALL),
        };
        decisions.extend(each(rule.calls, decision));
    }
    decisions
}

/// Gives each of the calls that this machine has the decision.
pub(crate) fn each(calls: &[Call], decision: Decision) -> impl Iterator<Item = (u32, Decision)> {
    let numbers = calls.iter().filter_map(|call| call.number);
    numbers.filter_map(move |number| Some((u32::try_from(number).ok()?, decision)))
}
