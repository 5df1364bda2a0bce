//! Compares compiled rules with the rules themselves, call by call.

use std::collections::BTreeMap;

use super::*;
use crate::interpreter::{self, Call, Run};
use crate::machine::MOST_INSTRUCTIONS;

const NOT_PERMITTED: Answer = Answer::Refuse(1);
const NO_SUCH_CALL: Answer = Answer::Refuse(38);

/// Returns the answer that the rules give, without any program.
fn expected(rules: &Rules, call: &Call) -> Answer {
    let last = rules.calls.keys().next_back();
    if call.architecture != ARCHITECTURE || last.is_none_or(|last| call.number > *last) {
        return rules.unknown;
    }
    match rules.calls.get(&call.number) {
        None => rules.unlisted,
        Some(Decision::Always(answer)) => *answer,
        Some(Decision::AllowedIf(condition)) => {
            let argument = call.arguments[usize::from(condition.argument)];
            let holds = match condition.is {
                Comparison::OneOf(values) => values.contains(&argument),
                Comparison::Without(bits) => argument & bits == 0,
            };
            if holds { Answer::Allow } else { rules.unlisted }
        }
    }
}

fn number(answer: Answer) -> u32 {
    match answer {
        Answer::Allow => 0x7fff_0000,
        Answer::Refuse(errno) => 0x0005_0000 + u32::from(errno),
    }
}

fn checked(rules: &Rules, program: &[sock_filter], call: &Call) -> Run {
    let run = interpreter::run(program, call).unwrap();
    let expected = expected(rules, call);
    assert_eq!(run.answer, number(expected), "{call:x?}: {expected:?}");
    run
}

fn rules(calls: impl IntoIterator<Item = (u32, Decision)>) -> Rules {
    Rules {
        calls: calls.into_iter().collect(),
        unlisted: NOT_PERMITTED,
        unknown: NO_SUCH_CALL,
    }
}

fn condition(argument: u8, is: Comparison) -> Decision {
    Decision::AllowedIf(Condition { argument, is })
}

#[test]
fn every_number_gets_the_answer_of_the_rules() {
    const ALLOW: Decision = Decision::Always(Answer::Allow);
    // Every third call, or nearly: hundreds of ranges, so that jumps go farther than one byte.
    for step in [1, 2, 3, 7] {
        let rules = rules((0..1200).filter(|at| at % step == 0).map(|at| (at, ALLOW)));
        let program = rules.compile();
        assert!(program.len() < MOST_INSTRUCTIONS, "{}", program.len());
        for number in (0..1300).chain([FOREIGN - 1, FOREIGN, FOREIGN | 3, u32::MAX]) {
            let run = checked(&rules, &program, &Call::new(number, [0; 6]));
            // The head's three, ten levels, as many long jumps at most, and the answer.
            assert!(run.steps <= 3 + 2 * 11 + 1, "{number}: {run:?}");
        }
    }
}

#[test]
fn no_rules_are_a_program_as_well() {
    let rules = rules([]);
    let program = rules.compile();
    for number in [0, 1, FOREIGN] {
        checked(&rules, &program, &Call::new(number, [0; 6]));
    }
}

#[test]
fn conditions_compare_all_64_bits_of_their_own_argument() {
    const VALUES: &[u64] = &[0, 5, 0xffff_ffff, 0x7_0000_0005, u64::MAX];
    let cases = [
        Comparison::OneOf(&[]),
        Comparison::OneOf(&VALUES[1..2]),
        Comparison::OneOf(&VALUES[..3]),
        Comparison::OneOf(VALUES),
        Comparison::Without(0),
        Comparison::Without(4),
        Comparison::Without(0x7_0000_0000),
        Comparison::Without(0x8_0000_0004),
    ];
    for is in cases {
        for argument in 0..6 {
            let rules = rules([(3, condition(argument, is)), (9, condition(argument, is))]);
            let program = rules.compile();
            for value in VALUES.iter().chain(&[1, 4, 0x8_0000_0000, 0x1_0000_0005]) {
                for other in [0, 5, u64::MAX] {
                    let mut arguments = [other; 6];
                    arguments[usize::from(argument)] = *value;
                    for number in [2, 3, 9, 10] {
                        checked(&rules, &program, &Call::new(number, arguments));
                    }
                }
            }
        }
    }
}

#[test]
fn a_caller_by_another_table_is_refused_every_call() {
    let calls: BTreeMap<_, _> = (0..500)
        .map(|number| (number, Decision::Always(Answer::Allow)))
        .collect();
    let rules = rules(calls);
    let program = rules.compile();
    for architecture in [0, 0x4000_0003, ARCHITECTURE ^ 1, u32::MAX] {
        for number in [0, 20, 499] {
            let call = Call {
                architecture,
                ..Call::new(number, [0; 6])
            };
            let run = interpreter::run(&program, &call).unwrap();
            assert_eq!(run.answer, 0x0005_0026, "{call:?}");
        }
    }
}

#[test]
fn ranges_cover_every_number_and_differ_from_their_neighbours() {
    const ALLOW: Decision = Decision::Always(Answer::Allow);
    let ranges = |calls: &[u32]| rules(calls.iter().map(|number| (*number, ALLOW))).ranges();
    let (unlisted, unknown) = (
        Decision::Always(NOT_PERMITTED),
        Decision::Always(NO_SUCH_CALL),
    );
    assert_eq!(ranges(&[]), [(0, unknown)]);
    assert_eq!(
        ranges(&[0, 1, 2, 5, 6]),
        [(0, ALLOW), (3, unlisted), (5, ALLOW), (7, unknown)]
    );
    assert_eq!(
        ranges(&[4, FOREIGN, FOREIGN | 4, u32::MAX]),
        [(0, unlisted), (4, ALLOW), (5, unknown)]
    );
}
