//! The conditions on a call's arguments under which a rule holds.

use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

/// Makes the rule that holds if all the conditions do.
pub(super) fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

/// Makes the rules that the 32-bit argument has one of the values.
pub(super) fn one_of(argument: u8, values: &[i32]) -> Result<Vec<SeccompRule>, BackendError> {
    let rules = values.iter().map(|value| rule(vec![is(argument, *value)?]));
    rules.collect()
}

/// Makes the condition that the 32-bit argument has none of the values.
pub(super) fn none_of(argument: u8, values: &[i32]) -> Result<Vec<SeccompCondition>, BackendError> {
    let conditions = values.iter().map(|value| {
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
    });
    conditions.collect()
}

/// Makes the condition that the 32-bit argument has the value.
pub(super) fn is(argument: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    let value = u64::from(value.cast_unsigned());
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// Makes the condition that the argument has the flag set.
pub(super) fn has_flag(argument: u8, flag: i32) -> Result<SeccompCondition, BackendError> {
    let flag = u64::from(flag.cast_unsigned());
    let is_set = SeccompCmpOp::MaskedEq(flag);
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, is_set, flag)
}

/// Makes the condition that the argument is not a null pointer.
pub(super) fn is_given(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)
}
