//! Lines on standard error, which the worker logs.

use std::io::Write;

/// Writes a line. Never a job's data: the launcher has none.
pub(crate) fn note(line: &str) {
    // If this fails, there is nowhere left to report it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
