//! The names of signals.

/// The signals of Linux (signal(7)), the same on x86_64 and aarch64.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// Returns the signal as answers name it: `SIGSEGV`, or `SIG34` if it has no name.
#[must_use]
pub fn name(number: i32) -> String {
    let known = usize::try_from(number)
        .ok()
        .and_then(|n| SIGNALS.get(n.checked_sub(1)?));
    known.map_or_else(|| format!("SIG{number}"), |name| (*name).to_owned())
}
