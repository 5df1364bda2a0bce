//! `warren key new`: makes an API key.

use std::process::ExitCode;

use anyhow::Context;
use warren_api::{ApiKey, KeyName};

use crate::cli::{KeyCommand, NewKeyArguments};

/// Carries out the command.
///
/// # Errors
/// The name cannot be one, or the system has no random numbers.
pub fn key(command: &KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::New(arguments) => new(arguments),
    }
}

// Apart, so that `>> keys.toml` keeps the hash and never the key.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the key is what the command is for"
)]
fn new(arguments: &NewKeyArguments) -> anyhow::Result<ExitCode> {
    let name: KeyName = arguments
        .name
        .parse()
        .with_context(|| format!("{:?} cannot be the name", arguments.name))?;
    let key = ApiKey::generate()?;
    eprintln!(
        "The key, shown this once, for whoever is to call (X-API-Key, or Authorization: Bearer):\n\
         {}\n\
         What follows is for the file that WARREN_API_KEYS_FILE names:",
        key.reveal()
    );
    println!("[[key]]\nname = \"{name}\"\nsha256 = \"{}\"", key.hash());
    Ok(ExitCode::SUCCESS)
}
