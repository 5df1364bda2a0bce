//! Holds the list to its own promises, and the filter to what the kernel takes.

use std::collections::BTreeMap;

use warren_bpf::{FOREIGN, MOST_INSTRUCTIONS, interpreter};

use super::*;

/// All calls of the rules with these callers.
fn of(caller: Caller) -> impl Iterator<Item = &'static Call> {
    let rules = RULES.iter().filter(move |rule| rule.for_whom == caller);
    rules.flat_map(|rule| rule.calls)
}

#[test]
fn no_call_is_listed_twice() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for call in of(Caller::Sandbox).chain(of(Caller::Runtime)) {
        *counts.entry(call.name).or_default() += 1;
    }
    counts.retain(|_, count| *count > 1);
    assert!(counts.is_empty(), "{counts:?}");
}

#[test]
fn calls_of_a_container_runtime_are_refused() {
    let program = Program::build();
    let mut count = 0;
    for call in of(Caller::Runtime) {
        let number = call.number.unwrap().try_into().unwrap();
        let call = interpreter::Call::new(number, [0; 6]);
        let answer = interpreter::run(program.instructions(), &call).unwrap();
        assert_eq!(answer.answer, libc::SECCOMP_RET_ERRNO | 1, "{call:?}");
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn arguments_decide_about_namespaces_families_and_personalities() {
    let program = Program::build();
    let first = |number: libc::c_long, argument: i32| {
        let argument = u64::from(argument.cast_unsigned());
        let arguments = [argument, 0, 0, 0, 0, 0];
        let call = interpreter::Call::new(number.try_into().unwrap(), arguments);
        let run = interpreter::run(program.instructions(), &call).unwrap();
        run.answer == libc::SECCOMP_RET_ALLOW
    };
    for namespace in [
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWUTS,
    ] {
        assert!(
            !first(libc::SYS_clone, namespace | libc::SIGCHLD),
            "{namespace:x}"
        );
    }
    assert!(first(libc::SYS_clone, libc::CLONE_VM | libc::SIGCHLD));
    let families = (0..64).filter(|family| first(libc::SYS_socket, *family));
    let expected = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    assert_eq!(families.collect::<Vec<_>>(), expected);
    let pairs = (0..64).filter(|family| first(libc::SYS_socketpair, *family));
    assert_eq!(pairs.collect::<Vec<_>>(), [libc::AF_UNIX]);
    let personalities = [0, 8, libc::ADDR_NO_RANDOMIZE, -1];
    let allowed = personalities.map(|which| first(libc::SYS_personality, which));
    assert_eq!(allowed, [true, false, false, true]);
}

#[test]
fn the_filter_is_short_and_finds_each_call_in_few_steps() {
    let program = Program::build();
    let length = program.instructions().len();
    assert!((4..MOST_INSTRUCTIONS).contains(&length), "{length}");
    let mut longest = 0;
    for number in (0..600).chain([FOREIGN, u32::MAX]) {
        let call = interpreter::Call::new(number, [0; 6]);
        let run = interpreter::run(program.instructions(), &call).unwrap();
        longest = longest.max(run.steps);
    }
    println!("{length} instructions, at most {longest} steps");
    // The head, a level for each doubling of the ranges, and an argument's comparisons.
    assert!(longest <= 24, "{longest} steps");
}
