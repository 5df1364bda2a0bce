//! The same rules as `seccompiler` renders them, which has one answer a program.

use libc::sock_filter;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::super::conditions::{Condition, Rule};
use super::super::program::FOREIGN;
use super::super::{Rules, Ruling, Sockets, arguments, refused};

/// Returns the programs that refuse calls, in order, and the one that asks about them.
pub(super) fn programs(sockets: Sockets) -> (Vec<Vec<sock_filter>>, Vec<sock_filter>) {
    let mut refusing = vec![foreign_numbers()];
    for (answer, rules) in refused(sockets) {
        let Ruling::Refuse(errno) = answer else {
            panic!("{answer:?} refuses nothing");
        };
        refusing.push(compile(&rules, errno));
    }
    // The answer is a stand-in: the library cannot ask.
    let mut asking = compile(&arguments::locks(), 0);
    for step in &mut asking {
        if step.code == RETURN && step.k == libc::SECCOMP_RET_ERRNO {
            step.k = libc::SECCOMP_RET_USER_NOTIF;
        }
    }
    (refusing, asking)
}

const RETURN: u16 = 0x06;
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Refuses the numbers of the x32 table, which the library does not know of.
fn foreign_numbers() -> Vec<sock_filter> {
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(0x20, 0, 0, 0),
        step(0x35, 0, 1, FOREIGN),
        step(RETURN, 0, 0, NO_SUCH_CALL),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn compile(rules: &Rules, errno: i32) -> Vec<sock_filter> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let refusal = SeccompAction::Errno(errno.unsigned_abs());
    let rules = rules
        .iter()
        .map(|(call, rules)| (*call, rules.iter().map(rule).collect()));
    let filter = SeccompFilter::new(rules.collect(), SeccompAction::Allow, refusal, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    let steps = program.into_iter().map(|step| sock_filter {
        code: step.code,
        jt: step.jt,
        jf: step.jf,
        // The library kills callers from other tables.
        k: match step.k {
            libc::SECCOMP_RET_KILL_PROCESS if step.code == RETURN => NO_SUCH_CALL,
            k => k,
        },
    });
    steps.collect()
}

fn rule(rule: &Rule) -> SeccompRule {
    SeccompRule::new(rule.iter().map(condition).collect()).unwrap()
}

fn condition(condition: &Condition) -> SeccompCondition {
    let (argument, length, operator, value) = match *condition {
        Condition::Is(argument, value) => (argument, Len::Dword, Op::Eq, value),
        Condition::IsNot(argument, value) => (argument, Len::Dword, Op::Ne, value),
        Condition::Has(argument, bit) => (argument, Len::Qword, Op::MaskedEq(bit.into()), bit),
        Condition::IsGiven(argument) => (argument, Len::Qword, Op::Ne, 0),
    };
    SeccompCondition::new(argument, length, operator, value.into()).unwrap()
}
