//! The rules of what a sandbox may call, the one list for every engine.

use warren_bpf::{Comparison, Condition};

use super::calls::{Call, EVERYWHERE, OF_RUNTIMES, ON_X86_64, calls};

/// A rule about some calls. Calls without one are refused as not permitted.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The calls.
    pub calls: &'static [Call],
    /// The architectures that have them.
    pub on: Architectures,
    /// Who needs them.
    pub for_whom: Caller,
    /// The verdict on them.
    pub verdict: Verdict,
}

/// The architectures that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architectures {
    /// All that Warren runs on.
    All,
    /// `x86_64` alone.
    X86_64,
}

/// The caller that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The runner and the programs, so the rule is in every rendering.
    Sandbox,
    /// The container runtime that a daemon starts a sandbox by, so the rule is rendered for daemons
    /// alone. The native engine has no runtime.
    Runtime,
}

/// The verdict on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Allow,
    /// It is done on this condition, else refused as not permitted.
    AllowIf(Condition),
    /// It is refused as a call that the kernel does not have.
    Miss,
}

/// `clone` with any of these flags makes a namespace: mounts, control groups, host name, IPC,
/// users, processes, network.
const NAMESPACES: u64 = 0x7e02_0000;

/// Unix, IPv4 and IPv6 (which find no network). The kernel has dozens of others.
const FAMILIES: [u64; 3] = [1, 2, 10];
const UNIX: u64 = FAMILIES[0];

/// The ordinary personality, and the question which one it is.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// The rules. No call is in two of them.
///
/// The list is stricter than Docker's default, and for one table of calls instead of three. Arguments are
/// checked mainly by the runner's filter, which is applied to programs on top. It is loaded after the
/// sandbox's user was taken, which it does not allow.
pub const RULES: &[Rule] = &[
    always(EVERYWHERE, Architectures::All, Caller::Sandbox),
    always(ON_X86_64, Architectures::X86_64, Caller::Sandbox),
    always(OF_RUNTIMES, Architectures::All, Caller::Runtime),
    by_first_argument(calls![SYS_clone], Comparison::Without(NAMESPACES)),
    Rule {
        // Its flags lie in memory, where no filter can see them; libc falls back to `clone`.
        calls: calls![SYS_clone3],
        on: Architectures::All,
        for_whom: Caller::Sandbox,
        verdict: Verdict::Miss,
    },
    by_first_argument(calls![SYS_socketpair], Comparison::OneOf(&[UNIX])),
    by_first_argument(calls![SYS_socket], Comparison::OneOf(&FAMILIES)),
    by_first_argument(calls![SYS_personality], Comparison::OneOf(&PERSONALITIES)),
];

const fn always(calls: &'static [Call], on: Architectures, for_whom: Caller) -> Rule {
    Rule {
        calls,
        on,
        for_whom,
        verdict: Verdict::Allow,
    }
}

const fn by_first_argument(calls: &'static [Call], is: Comparison) -> Rule {
    Rule {
        calls,
        on: Architectures::All,
        for_whom: Caller::Sandbox,
        verdict: Verdict::AllowIf(Condition { argument: 0, is }),
    }
}
