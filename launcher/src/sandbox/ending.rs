//! The end of a sandbox: its death told from how PID 1 ended.

use rustix::process::WaitIdStatus;

use crate::wire::Death;

/// Tells a death. `was_asked` is whether the worker asked for it, `ran_out` whether the kernel has
/// killed a process of the sandbox for lack of memory.
pub(super) fn death(status: &WaitIdStatus, was_asked: bool, ran_out: bool) -> Death {
    match (status.terminating_signal(), status.exit_status()) {
        (Some(libc::SIGKILL), _) if was_asked => Death::Killed,
        // Nobody else can: no process of a sandbox reaches its PID 1, and `oom_kill` counts only what the
        // kernel killed in these groups.
        (Some(libc::SIGKILL), _) if ran_out => Death::OutOfMemory,
        (Some(signal), _) => Death::Signalled(signal),
        (None, status) => Death::Exited(status.unwrap_or(-1)),
    }
}
