//! The rules of a filter: an answer to each call.

use std::collections::BTreeMap;

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The kernel does it.
    Allow,
    /// Its caller is told this error number, and nothing is done.
    Refuse(u16),
}

/// A condition on one argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The argument's number, from 0 to 5.
    pub argument: u8,
    /// The comparison that has to hold.
    pub is: Comparison,
}

/// A comparison of all 64 bits of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal to one of these.
    OneOf(&'static [u64]),
    /// Has none of these bits.
    Without(u64),
}

/// The decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The answer, whatever the arguments.
    Always(Answer),
    /// Allowed on this condition, else [`Rules::unlisted`].
    AllowedIf(Condition),
}

/// The rules of a filter.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Decisions by the call's number, each below [`FOREIGN`](crate::FOREIGN).
    pub calls: BTreeMap<u32, Decision>,
    /// The answer to calls that are not listed, and to those whose condition does not hold.
    pub unlisted: Answer,
    /// The answer to numbers above the last listed one, to those of
    /// [`FOREIGN`](crate::FOREIGN) tables, and to
    /// callers by other architectures' tables. "No such call" lets libraries of the future fall
    /// back to older calls. A kill would be a line in the host's log for each, and a program that
    /// forks could have many.
    pub unknown: Answer,
}
