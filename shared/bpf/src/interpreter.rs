//! An interpreter of filters, which answers for calls that no test could make.
//!
//! It knows the instructions that filters of system calls are made of, those of other compilers
//! included, and checks what the kernel checks when it loads one.

use libc::sock_filter;

use crate::machine::ARCHITECTURE;

/// A call as a filter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u32,
    /// The table that the number is of.
    pub architecture: u32,
    /// Its arguments.
    pub arguments: [u64; 6],
}

impl Call {
    /// Makes a call by this machine's own table.
    #[must_use]
    pub fn new(number: u32, arguments: [u64; 6]) -> Self {
        Self {
            number,
            architecture: ARCHITECTURE,
            arguments,
        }
    }

    /// Returns the four bytes at the offset of `struct seccomp_data`.
    fn load(&self, offset: u32) -> Option<u32> {
        let half = |value: u64, upper: bool| {
            let bytes = value.to_ne_bytes();
            let (first, second) = bytes.split_at(4);
            let half = if upper { second } else { first };
            half.try_into().ok().map(u32::from_ne_bytes)
        };
        match offset {
            0 => Some(self.number),
            4 => Some(self.architecture),
            // The address of the call, which no filter of ours asks for.
            8 | 12 => Some(0),
            _ if offset.is_multiple_of(4) => {
                let place = usize::try_from(offset.checked_sub(16)? / 8).ok()?;
                half(*self.arguments.get(place)?, !offset.is_multiple_of(8))
            }
            _ => None,
        }
    }
}

/// A run of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The kernel's number of the answer, such as `SECCOMP_RET_ALLOW`.
    pub answer: u32,
    /// The number of instructions that were executed.
    pub steps: usize,
}

/// A program that the kernel would not have loaded, or that this interpreter does not know.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A jump leads behind the end.
    #[error("the program has no instruction {0}")]
    Beyond(usize),
    /// It loads from where nothing is.
    #[error("instruction {0} loads from nowhere")]
    Nowhere(usize),
    /// An instruction is none of those that filters are made of.
    #[error("instruction {0} is unknown")]
    Unknown(usize),
}

/// Runs the filter on a call.
///
/// # Errors
/// The program is no filter.
pub fn run(program: &[sock_filter], call: &Call) -> Result<Run, Fault> {
    let (mut at, mut steps, mut loaded) = (0_usize, 0, 0);
    loop {
        let step = program.get(at).ok_or(Fault::Beyond(at))?;
        let (code, operand) = (u32::from(step.code), step.k);
        steps += 1;
        let jump = |condition: bool| usize::from(if condition { step.jt } else { step.jf });
        let skipped = match code {
            LOAD => {
                loaded = call.load(operand).ok_or(Fault::Nowhere(at))?;
                0
            }
            AND => {
                loaded &= operand;
                0
            }
            JUMP => usize::try_from(operand).unwrap_or(usize::MAX),
            IF_EQUAL => jump(loaded == operand),
            IF_GREATER => jump(loaded > operand),
            IF_NOT_LESS => jump(loaded >= operand),
            IF_ANY_BIT => jump(loaded & operand != 0),
            RETURN => {
                let answer = operand;
                return Ok(Run { answer, steps });
            }
            _ => return Err(Fault::Unknown(at)),
        };
        at = at.saturating_add(1).saturating_add(skipped);
    }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_NOT_LESS: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

#[cfg(test)]
mod tests {
    use super::*;

    fn step(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
        let code = u16::try_from(code).unwrap();
        sock_filter { code, jt, jf, k }
    }

    #[test]
    fn loads_every_field_of_a_call() {
        let call = Call {
            number: 1,
            architecture: 2,
            arguments: [0x4_0000_0003, 0, 0, 0, 0, 0x6_0000_0005],
        };
        for (offset, value) in [(0, 1), (4, 2), (16, 3), (20, 4), (56, 5), (60, 6)] {
            let program = [
                step(LOAD, 0, 0, offset),
                step(IF_EQUAL, 0, 1, value),
                step(RETURN, 0, 0, 7),
                step(RETURN, 0, 0, 8),
            ];
            let run = run(&program, &call).unwrap();
            assert_eq!((run.answer, run.steps), (7, 3), "{offset}");
        }
        for nowhere in [2, 64, u32::MAX - 3] {
            let program = [step(LOAD, 0, 0, nowhere)];
            assert_eq!(run(&program, &call), Err(Fault::Nowhere(0)));
        }
    }

    #[test]
    fn tests_and_jumps_as_the_kernel_does() {
        let answer = |test, value| {
            let program = [
                step(LOAD, 0, 0, 0),
                step(test, 1, 0, value),
                step(JUMP, 0, 0, 1),
                step(RETURN, 0, 0, 1),
                step(RETURN, 0, 0, 0),
            ];
            run(&program, &Call::new(6, [0; 6])).unwrap().answer == 1
        };
        for (test, values) in [
            (IF_EQUAL, [false, true, false]),
            (IF_GREATER, [true, false, false]),
            (IF_NOT_LESS, [true, true, false]),
            (IF_ANY_BIT, [true, true, true]),
        ] {
            assert_eq!([5, 6, 7].map(|value| answer(test, value)), values, "{test}");
        }
        assert!(!answer(IF_ANY_BIT, 9));
        let masked = [
            step(LOAD, 0, 0, 0),
            step(AND, 0, 0, 3),
            step(IF_EQUAL, 0, 1, 2),
            step(RETURN, 0, 0, 1),
            step(RETURN, 0, 0, 0),
        ];
        assert_eq!(run(&masked, &Call::new(6, [0; 6])).unwrap().answer, 1);
    }

    #[test]
    fn a_program_that_the_kernel_would_not_load_is_a_fault() {
        let call = Call::new(0, [0; 6]);
        assert_eq!(run(&[], &call), Err(Fault::Beyond(0)));
        let behind = [step(JUMP, 0, 0, 4)];
        assert_eq!(run(&behind, &call), Err(Fault::Beyond(5)));
        let unknown = [step(LOAD, 0, 0, 0), step(0xff, 0, 0, 0)];
        assert_eq!(run(&unknown, &call), Err(Fault::Unknown(1)));
    }
}
