//! `warren health`: checks a server, for containers and for people.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::output;
use crate::cli::HealthArguments;

/// The longest wait for the answer.
const ANSWER: Duration = Duration::from_secs(8);
/// The most of an answer that is read.
const MAX_ANSWER: u64 = 10 << 20;

/// Queries the address and prints its answer.
///
/// # Errors
/// The address does not answer.
pub fn health(arguments: &HealthArguments) -> anyhow::Result<ExitCode> {
    let answer = warren_outbound::command_builder(ANSWER)?
        .build()?
        .get(&arguments.url)
        .send()
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("{} does not answer; is it running?", arguments.url))?;
    let status = answer.status();
    let mut body = String::new();
    answer
        .take(MAX_ANSWER)
        .read_to_string(&mut body)
        .context("cannot read its answer")?;
    output::to_stdout(format!("{body}\n").as_bytes())?;
    Ok(if status.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
