//! An interpreter of BPF programs, as far as filters need it.

use libc::sock_filter;

use super::calls::Case;
use super::instruction;

/// The offset of the first argument in `struct seccomp_data`, in bytes.
const ARGUMENTS_AT: u32 = 16;

/// What a run of a program comes to.
pub(super) struct Made {
    /// The program's answer.
    pub(super) answer: u32,
    /// The steps before the first that looks at an argument.
    pub(super) before_arguments: usize,
}

/// Runs a program on a call. A step that the kernel would not take is a failed test.
pub(super) fn run(program: &[sock_filter], case: Case) -> Made {
    let (mut at, mut loaded) = (0, 0);
    let (mut steps, mut before_arguments) = (0, None);
    loop {
        let (code, jt, jf, k) = instruction(&program[at]);
        at += 1;
        steps += 1;
        let mut branch = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            // Load a word.
            0x20 => {
                if k >= ARGUMENTS_AT {
                    before_arguments.get_or_insert(steps - 1);
                }
                loaded = case.word(k);
            }
            // And.
            0x54 => loaded &= k,
            // Jump: always, if equal, greater, at least, or any bit is set.
            0x05 => at += k as usize,
            0x15 => branch(loaded == k),
            0x25 => branch(loaded > k),
            0x35 => branch(loaded >= k),
            0x45 => branch(loaded & k != 0),
            // Return.
            0x06 => {
                return Made {
                    answer: k,
                    before_arguments: before_arguments.unwrap_or(steps),
                };
            }
            other => panic!("an instruction that no filter needs: {other:#x}"),
        }
    }
}
