//! Holds the rendered filter to what a library renders from the same rules.

mod calls;
mod interpreter;
mod library;

use libc::sock_filter;

use self::calls::{Case, cases};
use self::interpreter::{Made, run};
use super::program::{FOREIGN, Ruling, TABLE};
use super::*;

const BOTH: [Sockets; 2] = [Sockets::Local, Sockets::Internet];

/// 32-bit calls of x86_64, and the table of another machine.
const OTHER_TABLES: [u32; 3] = [0x4000_0003, 0xc000_00f3, 0];

#[test]
fn the_filter_answers_every_call_as_the_librarys_filters_do_in_turn() {
    for sockets in BOTH {
        let filter = Filter::build(sockets).unwrap();
        let (refusing, asking) = library::programs(sockets);
        let all = cases(&refused(sockets), &arguments::locks());
        assert!(all.len() > 10_000, "{} cases", all.len());
        for case in all {
            let first_refusal = |case| {
                let answers = refusing.iter().map(|program| run(program, case).answer);
                answers
                    .into_iter()
                    .find(|it| *it != libc::SECCOMP_RET_ALLOW)
            };
            let unasked = first_refusal(case).unwrap_or(libc::SECCOMP_RET_ALLOW);
            // The kernel takes a refusal before a question, and that before a permission.
            let whole = first_refusal(case).unwrap_or_else(|| run(&asking, case).answer);
            assert_eq!(run(&filter.whole, case).answer, whole, "{case:x?}");
            assert_eq!(run(&filter.unasked, case).answer, unasked, "{case:x?}");
        }
    }
}

#[test]
fn only_numbers_of_this_architecture_pass() {
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    let answer = |table, number| {
        let filter = Filter::build(Sockets::Internet).unwrap();
        let call = Case {
            table,
            number,
            arguments: [0; 6],
        };
        [
            run(&filter.whole, call).answer,
            run(&filter.unasked, call).answer,
        ]
    };
    for number in [0, 59, 462, FOREIGN - 1] {
        assert_eq!(answer(TABLE, number), [libc::SECCOMP_RET_ALLOW; 2]);
        for table in OTHER_TABLES {
            assert_eq!(answer(table, number), [refused; 2]);
        }
    }
    for number in [FOREIGN, FOREIGN | 101, u32::MAX] {
        assert_eq!(answer(TABLE, number), [refused; 2]);
    }
}

/// The kernel runs each path at every start of a program.
#[test]
fn no_path_to_a_call_is_long_and_no_program_larger_than_the_kernel_takes() {
    /// The tree's depth, with a jump more where one is far, and what every call has.
    const LONGEST: usize = 16;
    for sockets in BOTH {
        let Filter { whole, unasked } = Filter::build(sockets).unwrap();
        for program in [&whole, &unasked] {
            assert!((100..600).contains(&program.len()), "{}", program.len());
            for number in 0..600 {
                let case = Case {
                    table: TABLE,
                    number,
                    arguments: [0; 6],
                };
                let Made {
                    before_arguments, ..
                } = run(program, case);
                assert!(before_arguments <= LONGEST, "{number}: {before_arguments}");
            }
        }
    }
}

#[test]
fn rules_longer_than_a_jump_are_no_filter() {
    let values: Vec<i32> = (0..300).collect();
    let rules = |values| Rules::from([(1, vec![conditions::none_of(0, values)])]);
    let render = |rules| program::render(&[(Ruling::Refuse(libc::EPERM), rules)]);
    assert!(render(rules(&values[..200])).is_some());
    assert!(render(rules(&values)).is_none());
}

/// A far leaf is reached over a jump of its own, which none of today's filters may need.
#[test]
fn a_tree_with_large_leaves_finds_every_one() {
    let rules = |call: i64| {
        let values: Vec<i32> = (1..200).collect();
        (call, vec![conditions::none_of(0, &values)])
    };
    let parts = [(
        Ruling::Refuse(libc::EPERM),
        (0..40).map(|call| rules(2 * call)).collect(),
    )];
    let program = program::render(&parts).unwrap();
    for number in 0..80 {
        let answer = |argument| {
            let case = Case {
                table: TABLE,
                number,
                arguments: [argument, 0, 0, 0, 0, 0],
            };
            run(&program, case).answer
        };
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        let expected = if number % 2 == 0 {
            refused
        } else {
            libc::SECCOMP_RET_ALLOW
        };
        assert_eq!((answer(0), answer(7)), (expected, libc::SECCOMP_RET_ALLOW));
    }
}

fn instruction(step: &sock_filter) -> (u16, u8, u8, u32) {
    (step.code, step.jt, step.jf, step.k)
}
