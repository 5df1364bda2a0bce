//! The compiler from rules to BPF.

use std::mem::offset_of;

use libc::{seccomp_data, sock_filter};

use crate::assembler::{Assembler, Place};
use crate::machine::{ARCHITECTURE, FOREIGN};
use crate::rules::{Answer, Comparison, Condition, Decision, Rules};

/// The offset of the call's number in what a program loads from.
const NUMBER: usize = offset_of!(seccomp_data, nr);
/// The offset of the table that the number is of.
const TABLE: usize = offset_of!(seccomp_data, arch);
/// The offset of the first argument.
const ARGUMENTS: usize = offset_of!(seccomp_data, args);
/// The bytes of an argument, and of half of one, the most that an instruction loads.
const ARGUMENT: usize = size_of::<u64>();
const HALF: usize = ARGUMENT / 2;

impl Rules {
    /// Compiles the rules to a program for the kernel.
    #[must_use]
    pub fn compile(&self) -> Vec<sock_filter> {
        let mut writer = Writer {
            program: Assembler::default(),
            unlisted: self.unlisted,
        };
        let calls = writer.tree(&self.ranges());
        let own = writer.load(NUMBER, calls);
        let foreign = writer.answer(self.unknown);
        let table = writer
            .program
            .test(libc::BPF_JEQ, ARCHITECTURE, own, foreign);
        writer.load(TABLE, table);
        writer.program.finish()
    }

    /// Returns the ranges of numbers with one decision, each by its first number, in order.
    fn ranges(&self) -> Vec<(u32, Decision)> {
        let unlisted = Decision::Always(self.unlisted);
        let mut ranges: Vec<(u32, Decision)> = Vec::new();
        let mut add = |from, decision| match ranges.last() {
            Some((_, last)) if *last == decision => {}
            _ => ranges.push((from, decision)),
        };
        let mut next = 0;
        for (number, decision) in self.calls.range(..FOREIGN) {
            if *number > next {
                add(next, unlisted);
            }
            add(*number, *decision);
            next = number + 1;
        }
        add(next, Decision::Always(self.unknown));
        ranges
    }
}

struct Writer {
    program: Assembler,
    unlisted: Answer,
}

impl Writer {
    /// Writes the tree that finds the range of the loaded number, of which the first begins at or
    /// below it.
    fn tree(&mut self, ranges: &[(u32, Decision)]) -> Place {
        match ranges.split_at(ranges.len() / 2) {
            (left, [(start, _), ..]) if !left.is_empty() => {
                let right = self.tree(&ranges[left.len()..]);
                let left = self.tree(left);
                self.program.test(libc::BPF_JGE, *start, right, left)
            }
            (_, [(_, decision), ..]) => self.decision(*decision),
            _ => self.answer(self.unlisted),
        }
    }

    fn decision(&mut self, decision: Decision) -> Place {
        match decision {
            Decision::Always(answer) => self.answer(answer),
            Decision::AllowedIf(condition) => {
                let (yes, no) = (self.answer(Answer::Allow), self.answer(self.unlisted));
                self.condition(condition, yes, no)
            }
        }
    }

    fn answer(&mut self, answer: Answer) -> Place {
        self.program.answer(match answer {
            Answer::Allow => libc::SECCOMP_RET_ALLOW,
            Answer::Refuse(errno) => libc::SECCOMP_RET_ERRNO | u32::from(errno),
        })
    }

    fn load(&mut self, offset: usize, then: Place) -> Place {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.program.load(offset, then)
    }

    fn condition(&mut self, condition: Condition, yes: Place, no: Place) -> Place {
        let offset = ARGUMENTS + usize::from(condition.argument) * ARGUMENT;
        match condition.is {
            Comparison::OneOf(values) => {
                let mut next = no;
                for value in values.iter().rev() {
                    let [(low, low_at), (high, high_at)] = halves(*value, offset);
                    let of_low = self.program.test(libc::BPF_JEQ, low, yes, next);
                    let of_low = self.load(low_at, of_low);
                    let of_high = self.program.test(libc::BPF_JEQ, high, of_low, next);
                    next = self.load(high_at, of_high);
                }
                next
            }
            Comparison::Without(bits) => {
                let mut next = yes;
                for (half, at) in halves(bits, offset) {
                    if half != 0 {
                        let test = self.program.test(libc::BPF_JSET, half, no, next);
                        next = self.load(at, test);
                    }
                }
                next
            }
        }
    }
}

/// Returns the lower and the upper half of a value, each with the offset of the argument's half.
fn halves(value: u64, offset: usize) -> [(u32, usize); 2] {
    #[expect(clippy::cast_possible_truncation, reason = "half of it is wanted")]
    let (low, high) = (value as u32, (value >> 32) as u32);
    if cfg!(target_endian = "little") {
        [(low, offset), (high, offset + HALF)]
    } else {
        [(low, offset + HALF), (high, offset)]
    }
}

#[cfg(test)]
mod tests;
