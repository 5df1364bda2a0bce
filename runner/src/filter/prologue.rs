//! The filter's prologue: refuses calls by the tables of other architectures.

use seccompiler::{BpfProgram, sock_filter};

/// On x86_64 the same calls can be made by a second set of numbers (the x32 ABI), with this bit
/// set; filters that compare numbers do not see those. No architecture has real ones above it.
const FOREIGN: u32 = 0x4000_0000;

/// The instruction that ends a program with an answer.
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Makes a BPF program that answers "no such call" to such numbers.
pub(super) fn refuse_other_numbers() -> BpfProgram {
    vec![
        // Load the number: the first field of `struct seccomp_data`.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, FOREIGN),
        step(RETURN, 0, 0, NO_SUCH_CALL),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Makes a program that kills callers from another architecture's table (32-bit on x86_64) refuse
/// their calls instead. The host's log holds a line for each such death, and a program that forks
/// could have many.
pub(super) fn refuse_other_architectures(program: &mut BpfProgram) {
    for step in program {
        if step.k == libc::SECCOMP_RET_KILL_PROCESS && u32::from(step.code) == RETURN {
            step.k = NO_SUCH_CALL;
        }
    }
}

/// Makes a program that answers calls with error 0 ask the supervisor about them.
pub(super) fn ask_instead(program: &mut BpfProgram) {
    for step in program {
        if step.k == libc::SECCOMP_RET_ERRNO && u32::from(step.code) == RETURN {
            step.k = libc::SECCOMP_RET_USER_NOTIF;
        }
    }
}

/// Makes one program of several: a call that one lets through comes to the next.
pub(super) fn in_turn(parts: Vec<BpfProgram>) -> BpfProgram {
    let mut whole = BpfProgram::new();
    let last = parts.len().saturating_sub(1);
    for (number, part) in parts.into_iter().enumerate() {
        let length = part.len();
        whole.extend(part.into_iter().enumerate().map(|(at, found)| {
            let lets_through =
                u32::from(found.code) == RETURN && found.k == libc::SECCOMP_RET_ALLOW;
            if lets_through && number < last {
                let skipped = u32::try_from(length - at - 1).unwrap_or(u32::MAX);
                step(libc::BPF_JMP | libc::BPF_JA, 0, 0, skipped)
            } else {
                found
            }
        }));
    }
    whole
}

fn step(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    #[expect(clippy::cast_possible_truncation, reason = "codes are below 256")]
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what the kernel would answer to a call of this number. Interprets the few
    /// instructions that the prologue is made of, because kernels without the x32 ABI know none of
    /// its numbers, so it cannot be tried.
    fn answer(number: u32) -> u32 {
        let program = refuse_other_numbers();
        let (mut at, mut loaded) = (0, None);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            match code {
                0x20 => loaded = (k == 0).then_some(number),
                0x35 if loaded.unwrap() >= k => at += usize::from(jt),
                0x35 => at += usize::from(jf),
                0x06 => return k,
                other => panic!("an instruction that no prologue needs: {other:#x}"),
            }
        }
    }

    #[test]
    fn only_numbers_of_this_architecture_pass() {
        for number in [0, 59, 462, FOREIGN - 1] {
            assert_eq!(answer(number), libc::SECCOMP_RET_ALLOW);
        }
        let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
        for number in [FOREIGN, FOREIGN | 101, u32::MAX] {
            assert_eq!(answer(number), refused);
        }
    }
}
