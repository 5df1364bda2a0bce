//! Renders rules as a BPF program: a search tree over the calls' numbers.
//!
//! The kernel runs a new filter once for every number that a call may have, to learn which are always
//! let through (`seccomp_cache_prepare`), and that for each program that is started. So short paths
//! count, and not only for the program's calls.

use std::collections::BTreeSet;

use libc::sock_filter;

use super::conditions::{Condition, Rule};
use super::tables::Rules;

/// On x86_64 the same calls can be made by a second set of numbers (the x32 ABI), with this bit
/// set; filters that compare numbers do not see those. No architecture has real ones above it.
pub(super) const FOREIGN: u32 = 0x4000_0000;

/// The number of this architecture's table of calls: `AUDIT_ARCH_*` of `linux/audit.h`.
#[cfg(target_arch = "x86_64")]
pub(super) const TABLE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub(super) const TABLE: u32 = 0xc000_00b7;

/// The places of a call's number and of its table in `struct seccomp_data`, in bytes.
const NUMBER_AT: u32 = 0;
const TABLE_AT: u32 = 4;

/// Callers from another architecture's table (32-bit on x86_64) are refused and not killed. The
/// host's log holds a line for each such death, and a program that forks could have many.
const NO_SUCH_CALL: Ruling = Ruling::Refuse(libc::ENOSYS);

/// What a filter answers to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Allow,
    /// PID 1 is asked.
    Ask,
    /// With this error number.
    Refuse(i32),
}

impl Ruling {
    fn code(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Ask => libc::SECCOMP_RET_USER_NOTIF,
            Self::Refuse(errno) => libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(),
        }
    }
}

/// Renders the rules. The first that holds for a call answers it; where none does, it is let through.
/// `None` if a rule is longer than what a jump reaches.
pub(super) fn render(parts: &[(Ruling, Rules)]) -> Option<Vec<sock_filter>> {
    let mut code = Code::default();
    // There are several spans, so that the search's first step was added last.
    code.tree(&spans(parts))?;
    code.push(load(NUMBER_AT));
    let (own, other) = (code.here(), code.answer(NO_SUCH_CALL));
    code.branch(IF_EQUAL, TABLE, own, other)?;
    code.push(load(TABLE_AT));
    code.steps.reverse();
    Some(code.steps)
}

/// Returns the same program, but for the calls that PID 1 is asked about: they are let through.
pub(super) fn unasked(program: &[sock_filter]) -> Vec<sock_filter> {
    let steps = program.iter().map(|found| match *found {
        sock_filter { code, k, .. } if u32::from(code) == RETURN && k == Ruling::Ask.code() => {
            step(RETURN, 0, 0, Ruling::Allow.code())
        }
        other => other,
    });
    steps.collect()
}

/// The numbers from one on, up to the next span: all of these calls have the same rules.
struct Span<'a> {
    first: u32,
    rules: Vec<(&'a Rule, Ruling)>,
    /// The answer where no rule holds.
    otherwise: Ruling,
}

impl<'a> Span<'a> {
    fn always(first: u32, answer: Ruling) -> Self {
        Self {
            first,
            rules: Vec::new(),
            otherwise: answer,
        }
    }

    fn of_call(call: i64, first: u32, parts: &'a [(Ruling, Rules)]) -> Self {
        let mut span = Self::always(first, Ruling::Allow);
        for (answer, rules) in parts {
            match rules.get(&call).map(Vec::as_slice) {
                None => {}
                Some([]) => {
                    span.otherwise = *answer;
                    break;
                }
                Some(rules) => span.rules.extend(rules.iter().map(|rule| (rule, *answer))),
            }
        }
        span
    }

    fn continues(&self, other: &Self) -> bool {
        self.rules.is_empty() && other.rules.is_empty() && self.otherwise == other.otherwise
    }
}

/// Divides all numbers into spans.
fn spans(parts: &[(Ruling, Rules)]) -> Vec<Span<'_>> {
    let mut spans = vec![Span::always(0, Ruling::Allow)];
    let calls: BTreeSet<i64> = parts
        .iter()
        .flat_map(|part| part.1.keys().copied())
        .collect();
    for call in calls {
        // No table has a number that is negative or that large.
        let Ok(number) = u32::try_from(call) else {
            continue;
        };
        add(&mut spans, Span::of_call(call, number, parts));
        add(&mut spans, Span::always(number + 1, Ruling::Allow));
    }
    add(&mut spans, Span::always(FOREIGN, NO_SUCH_CALL));
    spans
}

/// Adds a span, in place of an empty one or as part of one with the same answer.
fn add<'a>(spans: &mut Vec<Span<'a>>, span: Span<'a>) {
    spans.pop_if(|last| last.first == span.first);
    if !spans.last().is_some_and(|last| last.continues(&span)) {
        spans.push(span);
    }
}

const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;

/// A program under construction: its steps from the last to the first, since each jump has to know how
/// far it goes, and none goes back.
#[derive(Default)]
struct Code {
    steps: Vec<sock_filter>,
    /// The places that give an answer, the last added last.
    answers: Vec<(Ruling, Place)>,
}

/// The place of a step, counted from the program's end.
#[derive(Clone, Copy)]
struct Place(usize);

impl Code {
    /// A distance that the jumps of a few steps more still reach.
    const NEAR: usize = 240;

    fn push(&mut self, step: sock_filter) {
        self.steps.push(step);
    }

    /// Returns the place of the step that was added last.
    fn here(&self) -> Place {
        Place(self.steps.len())
    }

    /// Returns the number of steps between the next one to be added and a place.
    fn distance(&self, place: Place) -> usize {
        self.steps.len() - place.0
    }

    /// Adds a jump to one of two places by a comparison; `None` if one is too far.
    fn branch(&mut self, code: u32, k: u32, holds: Place, fails: Place) -> Option<()> {
        let far = |place| u8::try_from(self.distance(place)).ok();
        self.push(step(code, far(holds)?, far(fails)?, k));
        Some(())
    }

    /// Returns a place near here that gives the answer: an earlier one if it can be.
    fn answer(&mut self, answer: Ruling) -> Place {
        let mut given = self.answers.iter().rev();
        if let Some((_, place)) = given.find(|given| given.0 == answer)
            && self.distance(*place) < Self::NEAR / 2
        {
            return *place;
        }
        self.push(step(RETURN, 0, 0, answer.code()));
        self.answers.push((answer, self.here()));
        self.here()
    }

    /// Returns a place near here from which the program goes on there.
    fn near(&mut self, place: Place) -> Option<Place> {
        if self.distance(place) < Self::NEAR {
            return Some(place);
        }
        let far = u32::try_from(self.distance(place)).ok()?;
        self.push(step(JUMP, 0, 0, far));
        Some(self.here())
    }

    /// Adds the search for a number among spans, and returns where it starts. The number is loaded.
    fn tree(&mut self, spans: &[Span<'_>]) -> Option<Place> {
        let (low, high) = spans.split_at(spans.len() / 2);
        let first_of_high = high.first()?;
        if low.is_empty() {
            return self.rules(first_of_high);
        }
        let high = self.tree(high)?;
        let low = self.tree(low)?;
        let (high, low) = (self.near(high)?, self.near(low)?);
        self.branch(IF_AT_LEAST, first_of_high.first, high, low)?;
        Some(self.here())
    }

    /// Adds the rules of a span's calls, and returns where they start.
    fn rules(&mut self, span: &Span<'_>) -> Option<Place> {
        let mut next = self.answer(span.otherwise);
        let mut rules = span.rules.as_slice();
        while let Some(((rule, answer), before)) = rules.split_last() {
            rules = before;
            let held = self.answer(*answer);
            let loaded = before.last().and_then(|(rule, _)| word_of_all(rule));
            self.conditions(rule, held, next, loaded)?;
            next = self.here();
        }
        Some(next)
    }

    /// Adds a rule's conditions, which lead to `held` if all do and to `next` if one does not. `loaded`
    /// is the word that is loaded before, if that is known.
    fn conditions(
        &mut self,
        rule: &Rule,
        mut held: Place,
        next: Place,
        loaded: Option<u32>,
    ) -> Option<()> {
        let mut conditions = rule.as_slice();
        while let Some((condition, before)) = conditions.split_last() {
            conditions = before;
            match *condition {
                Condition::Is(_, value) => self.branch(IF_EQUAL, value, held, next)?,
                Condition::IsNot(_, value) => self.branch(IF_EQUAL, value, next, held)?,
                Condition::Has(_, bit) => self.branch(IF_ANY_BIT, bit, held, next)?,
                Condition::IsGiven(argument) => {
                    self.branch(IF_EQUAL, 0, next, held)?;
                    self.push(load(lower(argument)));
                    self.branch(IF_EQUAL, 0, self.here(), held)?;
                    self.push(load(upper(argument)));
                }
            }
            let loaded = before.last().map_or(loaded, Condition::word);
            match condition.word() {
                Some(word) if loaded != Some(word) => self.push(load(word)),
                _ => {}
            }
            held = self.here();
        }
        Some(())
    }
}

impl Condition {
    /// Returns the word that is compared, and is still loaded afterwards. `None` if there are two.
    fn word(&self) -> Option<u32> {
        match *self {
            Self::Is(argument, _) | Self::IsNot(argument, _) | Self::Has(argument, _) => {
                Some(lower(argument))
            }
            Self::IsGiven(_) => None,
        }
    }
}

/// Returns the word that is loaded wherever the rule was left, if there is only one such.
fn word_of_all(rule: &Rule) -> Option<u32> {
    let mut words = rule.iter().map(Condition::word);
    let first = words.next()??;
    words.all(|word| word == Some(first)).then_some(first)
}

/// Returns the place of an argument's lower half in `struct seccomp_data`, in bytes.
fn lower(argument: u8) -> u32 {
    const ARGUMENTS_AT: u32 = 16;
    let half = if cfg!(target_endian = "big") { 4 } else { 0 };
    ARGUMENTS_AT + 8 * u32::from(argument) + half
}

fn upper(argument: u8) -> u32 {
    lower(argument) ^ 4
}

fn load(from: u32) -> sock_filter {
    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, from)
}

fn step(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    #[expect(clippy::cast_possible_truncation, reason = "codes are below 256")]
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}
