//! The seccomp profile: the system calls that a container may make, in Docker's format.
//!
//! The list is `launcher/src/seccomp/`. The runtime compiles the profile again for each container. It
//! relies on `no-new-privileges`: only with it does the runtime load the profile after it has
//! changed users, which the profile does not allow.

use std::sync::LazyLock;

use serde_json::{Value, json};
use warren_launcher::seccomp::{Architectures, Comparison, Condition, RULES, Rule, Verdict};

const NO_SUCH_CALL: u64 = 38;

/// Returns the profile in Docker's format, as the value of a security option.
pub(super) fn profile() -> &'static str {
    static PROFILE: LazyLock<String> = LazyLock::new(|| build().to_string());
    &PROFILE
}

fn build() -> Value {
    let calls: Vec<Value> = RULES.iter().flat_map(rendered).collect();
    json!({
        "defaultAction": REFUSE,
        // One table each, without the 32-bit and x32 ones that Docker's default adds: a call by
        // another table ends its caller.
        "archMap": [
            { "architecture": "SCMP_ARCH_X86_64" },
            { "architecture": "SCMP_ARCH_AARCH64" },
        ],
        "syscalls": calls,
    })
}

const ALLOW: &str = "SCMP_ACT_ALLOW";
/// "Not permitted", unless another answer is given.
const REFUSE: &str = "SCMP_ACT_ERRNO";

/// Renders a rule as those of Docker's, of which each is one alternative.
fn rendered(rule: &Rule) -> Vec<Value> {
    let names: Vec<&str> = rule.calls.iter().map(|call| call.name).collect();
    let mut whole = json!({ "names": names, "action": ALLOW });
    if rule.on == Architectures::X86_64 {
        whole["includes"] = json!({ "arches": ["amd64"] });
    }
    match rule.verdict {
        Verdict::Allow => vec![whole],
        Verdict::AllowIf(condition) => {
            let alternatives = arguments(condition).into_iter();
            let with = |argument: Value| {
                let mut one = whole.clone();
                one["args"] = json!([argument]);
                one
            };
            alternatives.map(with).collect()
        }
        Verdict::Miss => {
            whole["action"] = json!(REFUSE);
            whole["errnoRet"] = json!(NO_SUCH_CALL);
            vec![whole]
        }
    }
}

/// Renders a condition as comparisons, of which one has to hold.
fn arguments(condition: Condition) -> Vec<Value> {
    let index = condition.argument;
    match condition.is {
        Comparison::OneOf(values) => {
            let equal = |value| json!({ "index": index, "value": value, "op": "SCMP_CMP_EQ" });
            values.iter().map(equal).collect()
        }
        Comparison::Without(bits) => vec![json!({
            "index": index, "value": bits, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ",
        })],
    }
}

#[cfg(test)]
mod renderings;
#[cfg(test)]
mod tests;
