//! Filters of system calls: rules, compiled to BPF, and an interpreter for tests.
//!
//! The kernel runs such a program at system calls, and, when it is loaded, once for every number, to
//! learn which calls are always allowed. So it is a binary tree over ranges of numbers: any call
//! is found within about ten instructions, where a list costs a comparison for each call before it.

mod assembler;
mod compiler;
pub mod interpreter;
mod machine;
mod rules;

pub use libc::sock_filter;

pub use crate::machine::{ARCHITECTURE, FOREIGN, MOST_INSTRUCTIONS};
pub use crate::rules::{Answer, Comparison, Condition, Decision, Rules};
