//! The output of the commands.

use std::io::{self, Write, stderr, stdout};

use warren_protocol::time::EpochMillis;

use crate::terminal::{bytes_for, text_for};

/// Writes bytes; on a terminal, with what it would obey escaped.
pub fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    stdout().write_all(&bytes_for(&stdout(), bytes))?;
    stdout().flush()
}

/// Writes an answer, unchanged but for a terminal, on a line of its own.
pub fn raw(bytes: &[u8]) -> io::Result<()> {
    to_stdout(bytes)?;
    if bytes.ends_with(b"\n") {
        Ok(())
    } else {
        to_stdout(b"\n")
    }
}

/// Writes text; on a terminal, with what it would obey escaped.
pub fn to_stderr(text: &str) -> io::Result<()> {
    stderr().write_all(text_for(&stderr(), text).as_bytes())
}

/// Writes text of Warren's own, which may be coloured. Nothing of a program's is in it as it came.
pub fn styled_to_stderr(text: &str) -> io::Result<()> {
    stderr().write_all(text.as_bytes())
}

/// Formats roughly how long ago something was.
pub fn age(at: EpochMillis) -> String {
    let seconds = EpochMillis::now().since(at).as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
