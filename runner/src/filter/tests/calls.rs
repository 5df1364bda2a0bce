//! The calls that a filter is tried on, each with the arguments of interest.

use std::collections::{BTreeMap, BTreeSet};

use super::super::conditions::Condition;
use super::super::program::{FOREIGN, TABLE};
use super::super::{Rules, Ruling};
use super::OTHER_TABLES;

/// One call, as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) table: u32,
    pub(super) number: u32,
    pub(super) arguments: [u64; 6],
}

impl Case {
    /// Returns a word of `struct seccomp_data`, by its offset in bytes.
    pub(super) fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.table,
            16..64 if offset.is_multiple_of(4) => {
                let bytes = self.arguments[(offset as usize - 16) / 8].to_ne_bytes();
                let half = bytes.as_chunks().0[(offset as usize % 8) / 4];
                u32::from_ne_bytes(half)
            }
            other => panic!("no filter needs what is at {other}"),
        }
    }
}

/// Numbers past the last call of any kernel.
const NUMBERS: u32 = 1024;

/// Returns the calls.
pub(super) fn cases(refused: &[(Ruling, Rules)], asked: &Rules) -> Vec<Case> {
    let rules: Vec<&Rules> = refused.iter().map(|part| &part.1).chain([asked]).collect();
    let own = (0..NUMBERS).flat_map(|number| {
        let tables = [TABLE].into_iter().chain(OTHER_TABLES);
        let arguments = arguments(number, &rules);
        tables.flat_map(move |table| {
            let arguments = arguments.clone();
            arguments.into_iter().map(move |arguments| Case {
                table,
                number,
                arguments,
            })
        })
    });
    let foreign = (FOREIGN - 1..FOREIGN + NUMBERS).chain([1 << 31, u32::MAX]);
    let foreign = foreign.map(|number| Case {
        table: TABLE,
        number,
        arguments: [1; 6],
    });
    own.chain(foreign).collect()
}

/// Returns the lists of arguments to try on a call: each that a rule looks at has every value that one
/// names, values beside it, and the extremes, in every combination.
fn arguments(number: u32, rules: &[&Rules]) -> Vec<[u64; 6]> {
    let mut values: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    let of_call = rules.iter().filter_map(|rules| rules.get(&number.into()));
    for condition in of_call.flatten().flatten() {
        let (argument, value) = match *condition {
            Condition::Is(at, value) | Condition::IsNot(at, value) | Condition::Has(at, value) => {
                (at, u64::from(value))
            }
            Condition::IsGiven(at) => (at, 0),
        };
        let near = [value, value.wrapping_add(1), value.wrapping_sub(1)];
        let high = [value | 1 << 32, value << 32, value | 0x8000_0000];
        let all = values.entry(argument.into()).or_default();
        all.extend(near.into_iter().chain(high));
        all.extend([0, 1, 1 << 32, u64::MAX, u32::MAX.into()]);
    }
    let mut lists = vec![[0; 6], [u64::MAX; 6]];
    for (argument, values) in values {
        let with = |list: &[u64; 6], value| {
            let mut list = *list;
            list[argument] = value;
            list
        };
        let longer = lists
            .iter()
            .flat_map(|list| values.iter().map(|it| with(list, *it)));
        lists = longer.collect();
    }
    lists
}
