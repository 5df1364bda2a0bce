//! `warren run FILE`: submits a file and shows the verdict.

use std::fs;
use std::io::{Read, stdin};
use std::process::ExitCode;

use anyhow::Context;
use reqwest::StatusCode;
use serde_json::{Value, json};
use warren_protocol::contract::ExecuteResponse;
use warren_protocol::limits::{MAX_CODE, MAX_INPUT};

use super::progress::Progress;
use super::server::{Answer, Server};
use super::{cases, language, output, render};
use crate::cli::RunArguments;
use crate::exit::EXIT_TROUBLE;

/// Submits the file and prints the program's output, with the verdict on standard error.
///
/// # Errors
/// A file cannot be read, the server cannot be reached, or its answer breaks the contract.
pub fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let body = body(arguments)?;
    let path = format!("/api/rooms/{}/execute", arguments.room);
    let prefer = arguments.r#async.then_some("respond-async");
    let progress = Progress::start("queued or running");
    let answer = Server::new(&arguments.server).post(&path, &body, prefer)?;
    drop(progress);

    if arguments.json {
        output::raw(&answer.body)?;
        return Ok(status_of_json(&answer));
    }
    match answer.status {
        StatusCode::ACCEPTED => submitted(&answer),
        status if status.is_success() => verdict(&answer.json()?),
        _ => answer.complain(|error| render::problem(&arguments.file, error)),
    }
}

/// Prints the verdict on a job that ran.
pub fn verdict(response: &ExecuteResponse) -> anyhow::Result<ExitCode> {
    let style = render::Style::of_stderr();
    output::to_stdout(response.stdout.as_bytes())?;
    output::to_stderr(&response.stderr)?;
    output::styled_to_stderr(&render::verdict(response, style))?;
    output::styled_to_stderr(&render::cases(&response.test_results, style))?;
    Ok(if response.success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the exit status that a raw answer stands for.
pub fn status_of_json(answer: &Answer) -> ExitCode {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == StatusCode::ACCEPTED
        || (answer.status.is_success() && body["success"] == true)
    {
        ExitCode::SUCCESS
    } else if answer.status.is_success() {
        ExitCode::FAILURE
    } else {
        ExitCode::from(EXIT_TROUBLE)
    }
}

fn submitted(answer: &Answer) -> anyhow::Result<ExitCode> {
    let body: Value = answer.json()?;
    let id = body["jobId"].as_str().context("the answer has no jobId")?;
    output::to_stdout(format!("{id}\n").as_bytes())?;
    output::to_stderr(&format!(
        "submitted; wait for its result with `warren result {id} --wait 60`\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn body(arguments: &RunArguments) -> anyhow::Result<Value> {
    let file = arguments.file.display();
    let opened = fs::File::open(&arguments.file).with_context(|| format!("cannot open {file}"))?;
    // One byte over the limit is enough for the server to refuse it.
    let code =
        read_text(opened, MAX_CODE.get() + 1).with_context(|| format!("cannot send {file}"))?;
    let language = match &arguments.language {
        Some(language) => language.clone(),
        None => language::guess(&arguments.file)?,
    };
    let input = match arguments.input.as_deref() {
        Some("-") => Some(
            read_text(stdin().lock(), MAX_INPUT.get() + 1).context("cannot send standard input")?,
        ),
        text => text.map(str::to_owned),
    };
    let mut body = json!({ "language": language, "code": code, "input": input });
    if let Some(path) = &arguments.cases {
        body["testCases"] = json!(cases::read(path)?);
    }
    if let Some(compare) = &arguments.compare {
        body["compare"] = json!(compare);
    }
    Ok(body)
}

/// Reads text of at most `limit` bytes and leaves the rest unread.
fn read_text(from: impl Read, limit: u64) -> anyhow::Result<String> {
    let mut text = Vec::new();
    from.take(limit).read_to_end(&mut text)?;
    String::from_utf8(text).ok().context("it is not UTF-8 text")
}
