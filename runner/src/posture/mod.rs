//! Reads the confinement from inside: a program's own, and PID 1's view of the container.
//!
//! `/.warren/runner --posture` is run as any program is, so it is confined as any program is. It
//! tries what a hostile program would, with arguments that do no harm if they get through, and
//! prints one line a fact. `of_init` reads what only PID 1 may see.

mod arguments;
mod calls;
mod descriptors;
mod facts;
mod files;
mod host;
mod init;
mod process;
mod trial;

use std::collections::BTreeMap;
use std::io::{self, Write};

use self::facts::FactSheet;

/// Prints the calling process's confinement to standard output: `key = value` lines, sorted.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print() -> io::Result<()> {
    let mut facts = FactSheet::default();
    process::read(&mut facts);
    files::read(&mut facts);
    calls::read(&mut facts);
    arguments::read(&mut facts);
    let mut stdout = io::stdout().lock();
    stdout.write_all(facts.to_string().as_bytes())?;
    stdout.flush()
}

/// Returns what PID 1 sees of itself, of the container's limits, and of the host.
pub(crate) fn of_init() -> BTreeMap<String, String> {
    let mut facts = FactSheet::default();
    init::read(&mut facts);
    host::read(&mut facts);
    facts.into_map()
}
