//! Exit statuses, and error reports on standard error.

use std::io::stderr;

use crate::terminal::text_for;

/// The exit status if Warren itself failed to carry out a command (1 is a program's failure).
pub const EXIT_TROUBLE: u8 = 2;
/// The exit status of `warren doctor` if the host weakens the sandbox, and jobs are run all the same.
pub const EXIT_DEGRADED: u8 = 1;
/// The exit status of `warren doctor` if no job would be run, since a sandbox is weaker than it must
/// be or cannot be examined.
pub const EXIT_WRONG: u8 = 2;
/// The exit status of a server whose grace period ended before everything was finished.
pub const EXIT_OUT_OF_TIME: u8 = 3;
/// The exit status after a second SIGINT: that of a process which the signal killed.
pub const EXIT_INTERRUPTED: i32 = 130;
/// The exit status after a second SIGTERM, as [`EXIT_INTERRUPTED`].
pub const EXIT_TERMINATED: i32 = 143;

/// Prints an error with its causes to standard error.
#[expect(
    clippy::print_stderr,
    reason = "standard error is where a command reports its errors"
)]
pub fn complain(error: &anyhow::Error) {
    // An error may quote what a server sent.
    let text = format!("warren: {error:#}");
    eprintln!("{}", text_for(&stderr(), &text));
}
