//! Compares the profile with the filter of the native engine, call by call.
//!
//! The profile's answers are read off its text, as runc and libseccomp compile it; the filter's off
//! its instructions.

use std::collections::BTreeMap;

use serde_json::Value;
use warren_bpf::interpreter::{Call, run};
use warren_bpf::{FOREIGN, sock_filter};
use warren_launcher::seccomp::{Caller, Program, RULES};

use super::{ALLOW, NO_SUCH_CALL, REFUSE, profile};

/// The names of calls by number, each line beginning with its first number.
#[cfg(target_arch = "x86_64")]
const NAMES: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../runner/src/posture/x86_64.txt"
));
#[cfg(not(target_arch = "x86_64"))]
const NAMES: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../runner/src/posture/aarch64.txt"
));

#[cfg(target_arch = "x86_64")]
const MACHINE: &str = "amd64";
#[cfg(not(target_arch = "x86_64"))]
const MACHINE: &str = "arm64";

/// The last number that is tried one by one; behind it only some.
const LAST: u32 = 600;

const NOT_PERMITTED: u64 = 1;

/// An answer, in the words of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Allowed,
    Refused(u64),
    Killed,
}

/// The profile as read from its text.
struct Profile {
    rules: Vec<Value>,
    names: BTreeMap<u32, String>,
    /// The largest number of a call that it names.
    last: u32,
}

impl Profile {
    fn read() -> Self {
        let profile: Value = serde_json::from_str(profile()).unwrap();
        assert_eq!(profile["defaultAction"], REFUSE);
        let mut rules = profile["syscalls"].as_array().unwrap().clone();
        rules.retain(|rule| {
            let machines = rule["includes"]["arches"].as_array();
            machines.is_none_or(|machines| machines.iter().any(|one| one == MACHINE))
        });
        let names: BTreeMap<u32, String> = NAMES.lines().flat_map(numbered).collect();
        let named = |name: &str| rules.iter().any(|rule| has(rule, name));
        let last = names.iter().rfind(|(_, name)| named(name));
        let last = *last.unwrap().0;
        Self { rules, names, last }
    }

    fn name(&self, number: u32) -> Option<&str> {
        self.names.get(&number).map(String::as_str)
    }

    /// Returns the rules about a number.
    fn rules(&self, number: u32) -> Vec<&Value> {
        let name = self.name(number).unwrap_or_default();
        self.rules.iter().filter(|rule| has(rule, name)).collect()
    }

    /// Returns the answer to a call that these rules are about.
    fn answer(&self, rules: &[&Value], call: &Call) -> Word {
        // libseccomp: numbers of the x32 table, but -1 is none of its.
        if cfg!(target_arch = "x86_64") && (FOREIGN..u32::MAX).contains(&call.number) {
            return Word::Killed;
        }
        // runc: what is newer than the profile is answered as by an older kernel.
        if call.number > self.last {
            return Word::Refused(NO_SUCH_CALL);
        }
        let first = rules.iter().find(|rule| {
            let mut conditions = rule["args"].as_array().into_iter().flatten();
            conditions.all(|condition| holds(condition, call))
        });
        match first {
            Some(rule) if rule["action"] == ALLOW => Word::Allowed,
            Some(rule) => Word::Refused(rule["errnoRet"].as_u64().unwrap_or(NOT_PERMITTED)),
            None => Word::Refused(NOT_PERMITTED),
        }
    }
}

/// Reads a line of the names.
fn numbered(line: &str) -> impl Iterator<Item = (u32, String)> {
    let (first, names) = line.split_once(' ').unwrap();
    let first: u32 = first.parse().unwrap();
    let names = names.split(' ').map(|name| match name {
        // The kernel's name on newer architectures.
        "fstatat" => "newfstatat".to_owned(),
        name => name.to_owned(),
    });
    (first..).zip(names).collect::<Vec<_>>().into_iter()
}

fn has(rule: &Value, name: &str) -> bool {
    rule["names"]
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one == name)
}

fn holds(condition: &Value, call: &Call) -> bool {
    let index = usize::try_from(condition["index"].as_u64().unwrap()).unwrap();
    let (argument, value) = (call.arguments[index], condition["value"].as_u64().unwrap());
    match condition["op"].as_str().unwrap() {
        "SCMP_CMP_EQ" => argument == value,
        "SCMP_CMP_MASKED_EQ" => argument & value == condition["valueTwo"].as_u64().unwrap(),
        other => panic!("a comparison that no rule has: {other}"),
    }
}

fn answer(program: &[sock_filter], call: &Call) -> Word {
    match run(program, call).unwrap().answer {
        0x7fff_0000 => Word::Allowed,
        refused if refused >> 16 == 5 => Word::Refused(u64::from(refused & 0xffff)),
        other => panic!("an answer that no rule gives: {other:#x}"),
    }
}

/// Values of arguments on both sides of every condition: families, personalities, each flag by itself,
/// and the same with bits that only one half has.
fn values() -> Vec<u64> {
    let small = 0..64;
    let flags = (0..64).map(|bit| 1 << bit);
    let whole = [0x7e02_0000, 0xffff_ffff, 0xffff_fffe, u64::MAX, 0x0001_0f00];
    let low: Vec<u64> = small.chain(flags).chain(whole).collect();
    let high = low.iter().map(|value| value | 1 << 32);
    low.iter().copied().chain(high).collect()
}

#[test]
fn both_renderings_give_every_call_the_same_answer() {
    let (profile, program) = (Profile::read(), Program::build());
    let values = values();
    let mut by_arguments = Vec::new();
    for number in (0..=LAST).chain([FOREIGN - 1, FOREIGN, FOREIGN | 1, FOREIGN | 59, u32::MAX]) {
        let rules = profile.rules(number);
        let mut answers = Vec::new();
        for (argument, value) in (0..6).flat_map(|at| values.iter().map(move |it| (at, *it))) {
            let mut arguments = [0; 6];
            arguments[argument] = value;
            let call = Call::new(number, arguments);
            let (wanted, found) = (
                profile.answer(&rules, &call),
                answer(program.instructions(), &call),
            );
            let wanted = match wanted {
                // Refused without a line in the host's log.
                Word::Killed => Word::Refused(NO_SUCH_CALL),
                Word::Allowed if is_of_runtime(profile.name(number)) => {
                    Word::Refused(NOT_PERMITTED)
                }
                wanted => wanted,
            };
            assert_eq!(found, wanted, "{:?}: {call:x?}", profile.name(number));
            answers.push(found);
        }
        answers.dedup();
        if answers.len() > 1 {
            by_arguments.extend(profile.name(number));
        }
    }
    // The cases do reach both sides of each condition.
    by_arguments.sort_unstable();
    assert_eq!(
        by_arguments,
        ["clone", "personality", "socket", "socketpair"]
    );
}

fn is_of_runtime(name: Option<&str>) -> bool {
    let rules = RULES.iter().filter(|rule| rule.for_whom == Caller::Runtime);
    let mut calls = rules.flat_map(|rule| rule.calls);
    calls.any(|call| Some(call.name) == name)
}
