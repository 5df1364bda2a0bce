//! The environment variables as `warren config` and `--help` print them.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _, stdout};
use std::process::ExitCode;

use anyhow::Context;
use warren_config::{Env, Reader, Unset, VARIABLES, Variable};

use crate::exit;
use crate::settings::Settings;

/// The exit status of a configuration that cannot be used.
const EXIT_FAULTS: u8 = 1;

/// Prints every variable that `warren` reads, with its state, and reports what cannot be used.
///
/// # Errors
/// The listing cannot be written.
pub fn config() -> anyhow::Result<ExitCode> {
    let listing = listing(&Env::of_process());
    match stdout().write_all(listing.as_bytes()) {
        // A reader such as `head` may leave early.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            return Err(error).context("cannot print the configuration");
        }
        Ok(()) | Err(_) => {}
    }
    Ok(match Settings::of_process() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            exit::complain(&error);
            ExitCode::from(EXIT_FAULTS)
        }
    })
}

/// Returns the listing: a set variable as `NAME=value`, an unset one as a comment with its default.
fn listing(env: &Env) -> String {
    let mut text = "\
        # Warren's configuration, read from the environment and from .env. A line that begins with\n\
        # `#NAME=` is an unset variable and its default. docs/CONFIGURATION.md explains.\n"
        .to_owned();
    for group in &VARIABLES {
        let mut variables = group.variables.iter().filter(|one| is_read_here(one));
        let Some(first) = variables.next() else {
            continue;
        };
        let _ = writeln!(text, "\n# --- {} ---", group.title);
        for variable in std::iter::once(first).chain(variables) {
            let _ = writeln!(text, "{}", variable.comment());
            state(&mut text, variable, env);
        }
    }
    for name in env.unlisted() {
        let _ = writeln!(text, "\n# {name} is set, but Warren has no such variable");
    }
    text
}

/// Appends the state of one variable, or of each set member of a family.
fn state(text: &mut String, variable: &Variable, env: &Env) {
    let set = env.set(variable);
    if set.is_empty() {
        let default = match variable.unset {
            Unset::Value(value) => value,
            Unset::Effect(_) | Unset::Required => "",
        };
        let _ = writeln!(text, "#{}={default}", variable.name);
    }
    for (name, value) in set {
        let _ = writeln!(text, "{name}={}", variable.printable(&value));
    }
}

/// Returns whether the binary acts on it, rather than docker-compose, make or the tests.
fn is_read_here(variable: &Variable) -> bool {
    !matches!(variable.reader, Reader::Compose | Reader::Development)
}

/// Returns the end of a server command's `--help`: the variables that it reads.
pub fn help(role: Reader) -> String {
    let mut text = "\
        Environment (a file .env counts, too; `warren config` prints what is set):"
        .to_owned();
    for variable in VARIABLES.iter().flat_map(|group| group.variables) {
        if variable.is_read_by(role) {
            let _ = write!(
                text,
                "\n  {}\n          {}",
                variable.name,
                variable.description()
            );
        }
    }
    text
}

/// The end of a server command's `-h`.
pub const HINT: &str = "Environment variables configure it: `--help` explains them, `warren config` \
    prints what is set.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_shows_what_is_set_and_no_secret() {
        let text = listing(&Env::from([
            ("WARREN_WAIT_MS", "2500"),
            ("RABBITMQ_URL", "amqp://me:hunter2@broker"),
            ("WARREN_IMAGE_PYTHON", "python:3.12-alpine"),
            ("WARREN_WAITMS", "hunter2"),
        ]));
        let lines: Vec<_> = text.lines().collect();
        for line in [
            "WARREN_WAIT_MS=2500",
            "RABBITMQ_URL=(set, not shown)",
            "WARREN_IMAGE_PYTHON=python:3.12-alpine",
            "#WARREN_MAX_IN_FLIGHT=256",
            "# WARREN_WAITMS is set, but Warren has no such variable",
        ] {
            assert!(lines.contains(&line), "{line} in {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("WARREN_BIND"), "docker-compose reads that");
    }

    #[test]
    fn help_names_what_the_role_reads() {
        let worker = help(Reader::Worker);
        assert!(worker.contains("WARREN_SLOTS") && worker.contains("RUST_LOG"));
        assert!(!worker.contains("WARREN_WAIT_MS"));
        let up = help(Reader::Both);
        assert!(up.contains("WARREN_SLOTS") && up.contains("WARREN_WAIT_MS"));
    }
}
