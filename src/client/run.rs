//! `warren run FILE`: submits a file and shows the verdict.

use std::fs;
use std::io::{Read, Write, stderr, stdin, stdout};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use warren_shared::contract::ExecuteResponse;
use warren_shared::limits::{MAX_BODY, MAX_CODE, MAX_INPUT};

use super::{language, render};
use crate::cli::{EXIT_TROUBLE, RunArguments};

/// The largest answer that is read: every stream of every test case, in JSON.
const MAX_ANSWER: u64 = 64 * MAX_BODY.get();

/// Submits the file, prints what the program printed, and its verdict on standard error.
///
/// # Errors
/// The file cannot be read, or the server cannot be reached or answers what is not of the
/// contract.
pub fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let file = arguments.file.display();
    let opened =
        fs::File::open(&arguments.file).with_context(|| format!("{file} cannot be opened"))?;
    // One byte over the limit is enough for the server to say so.
    let code =
        read_text(opened, MAX_CODE.get() + 1).with_context(|| format!("{file} cannot be sent"))?;
    let language = match &arguments.language {
        Some(language) => language.clone(),
        None => language::guess(&arguments.file)?,
    };
    let input = match arguments.input.as_deref() {
        Some("-") => Some(
            read_text(stdin().lock(), MAX_INPUT.get() + 1)
                .context("standard input cannot be sent")?,
        ),
        text => text.map(str::to_owned),
    };

    let server = arguments.server.trim_end_matches('/');
    let url = format!("{server}/api/rooms/{}/execute", arguments.room);
    let body = json!({ "language": language, "code": code, "input": input });
    let mut answer = super::agent()
        .post(&url)
        .send_json(&body)
        .with_context(|| {
            format!("no answer from {server}; is it running? Start one with `warren up`")
        })?;
    let body = answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_vec()
        .with_context(|| format!("the answer of {server} broke off"))?;

    if answer.status().is_success() {
        let response: ExecuteResponse = serde_json::from_slice(&body)
            .with_context(|| format!("{server} does not answer as Warren does"))?;
        stdout().write_all(response.stdout.as_bytes())?;
        stdout().flush()?;
        stderr().write_all(render::verdict(&response, render::Style::of_stderr()).as_bytes())?;
        return Ok(if response.success {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(problem) if problem["error"]["message"].is_string() => {
            stderr().write_all(render::problem(&arguments.file, &problem["error"]).as_bytes())?;
            Ok(ExitCode::from(EXIT_TROUBLE))
        }
        Ok(_) | Err(_) => bail!(
            "{server} answers {} and is no Warren server",
            answer.status()
        ),
    }
}

/// Text of at most `limit` bytes; what is beyond is left unread.
fn read_text(from: impl Read, limit: u64) -> anyhow::Result<String> {
    let mut text = Vec::new();
    from.take(limit).read_to_end(&mut text)?;
    String::from_utf8(text).ok().context("it is not UTF-8 text")
}
