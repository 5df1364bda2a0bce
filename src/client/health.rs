//! `warren health`: checks a server, for containers and for people.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::cli::HealthArguments;

/// The longest wait for the answer.
const ANSWER: Duration = Duration::from_secs(8);

/// Queries the address and prints its answer.
///
/// # Errors
/// The address does not answer.
#[expect(clippy::print_stdout, reason = "the answer is what the command is for")]
pub fn health(arguments: &HealthArguments) -> anyhow::Result<ExitCode> {
    let mut answer = super::agent(ANSWER)
        .get(&arguments.url)
        .call()
        .with_context(|| format!("{} does not answer; is it running?", arguments.url))?;
    let body = answer
        .body_mut()
        .read_to_string()
        .context("cannot read its answer")?;
    println!("{body}");
    Ok(if answer.status().is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
