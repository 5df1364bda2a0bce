//! The conditions on a call's arguments under which a rule holds.

/// A rule: it holds if all of its conditions do.
pub(super) type Rule = Vec<Condition>;

/// A condition on one argument, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Its lower 32 bits, the only ones that the kernel looks at, are this value.
    Is(u8, u32),
    /// They are another value.
    IsNot(u8, u32),
    /// They have this bit set.
    Has(u8, u32),
    /// It is no null pointer.
    IsGiven(u8),
}

/// Makes the rules that the 32-bit argument has one of the values.
pub(super) fn one_of(argument: u8, values: &[i32]) -> Vec<Rule> {
    let rules = values.iter().map(|value| vec![is(argument, *value)]);
    rules.collect()
}

/// Makes the rule that the 32-bit argument has none of the values.
pub(super) fn none_of(argument: u8, values: &[i32]) -> Rule {
    let conditions = values.iter().map(|value| value.cast_unsigned());
    conditions
        .map(|value| Condition::IsNot(argument, value))
        .collect()
}

/// Makes the condition that the 32-bit argument has the value.
pub(super) fn is(argument: u8, value: i32) -> Condition {
    Condition::Is(argument, value.cast_unsigned())
}

/// Makes the condition that the argument has the flag, which is one bit, set.
pub(super) fn has_flag(argument: u8, flag: i32) -> Condition {
    Condition::Has(argument, flag.cast_unsigned())
}

/// Makes the condition that the argument is not a null pointer.
pub(super) fn is_given(argument: u8) -> Condition {
    Condition::IsGiven(argument)
}
