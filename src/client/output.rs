//! What the commands write.

use std::io::{self, Write, stderr, stdout};

use warren_protocol::time::EpochMillis;

pub fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    stdout().write_all(bytes)?;
    stdout().flush()
}

/// An answer as it came, on a line of its own.
pub fn raw(bytes: &[u8]) -> io::Result<()> {
    to_stdout(bytes)?;
    if bytes.ends_with(b"\n") {
        Ok(())
    } else {
        to_stdout(b"\n")
    }
}

pub fn to_stderr(text: &str) -> io::Result<()> {
    stderr().write_all(text.as_bytes())
}

/// How long ago something was, roughly.
pub fn age(at: EpochMillis) -> String {
    let seconds = EpochMillis::now().since(at).as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
