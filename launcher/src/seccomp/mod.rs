//! The system calls of a sandbox: one list, rendered for Docker and for the kernel.
//!
//! The worker renders it as a profile in Docker's format, [`Program`] as the kernel's own. A test
//! of the worker compares the two call by call.

pub(crate) mod calls;
pub(crate) mod program;
mod rules;

pub use warren_bpf::{Comparison, Condition};

pub use self::calls::Call;
pub use self::program::Program;
pub use self::rules::{Architectures, Caller, RULES, Rule, Verdict};

#[cfg(test)]
mod tests;
