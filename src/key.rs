//! `warren key new`: creates an API key.

use std::process::ExitCode;

use anyhow::Context;
use warren_api::{ApiKey, KeyName};

use crate::cli::{KeyCommand, NewKeyArguments};

/// Runs the command.
///
/// # Errors
/// The name is not valid, or the system has no random numbers.
pub fn key(command: &KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::New(arguments) => new(arguments),
    }
}

// The key and its hash go to different streams, so that `>> keys.toml` keeps the hash alone.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the key is what the command is for"
)]
fn new(arguments: &NewKeyArguments) -> anyhow::Result<ExitCode> {
    let name: KeyName = arguments
        .name
        .parse()
        .with_context(|| format!("cannot name a key {:?}", arguments.name))?;
    let key = ApiKey::generate()?;
    eprintln!(
        "The key for the caller, shown only once (send it as X-API-Key, or as Authorization: Bearer):\n\
         {}\n\
         Add this stanza to the file that WARREN_API_KEYS_FILE names:",
        key.reveal()
    );
    println!("[[key]]\nname = \"{name}\"\nsha256 = \"{}\"", key.hash());
    Ok(ExitCode::SUCCESS)
}
