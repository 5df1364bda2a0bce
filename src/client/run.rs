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
use crate::cli::{EXIT_TROUBLE, RunArguments};

/// Submits the file, prints what the program printed, and its verdict on standard error.
///
/// # Errors
/// A file cannot be read, or the server cannot be reached or answers what is not of the
/// contract.
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

/// Shows how a job that ran went.
pub fn verdict(response: &ExecuteResponse) -> anyhow::Result<ExitCode> {
    let style = render::Style::of_stderr();
    output::to_stdout(response.stdout.as_bytes())?;
    output::to_stderr(&render::verdict(response, style))?;
    output::to_stderr(&render::cases(&response.test_results, style))?;
    Ok(if response.success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the raw answer means for the exit status.
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
        "submitted; `warren result {id} --wait 60` waits for its result\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn body(arguments: &RunArguments) -> anyhow::Result<Value> {
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
    let mut body = json!({ "language": language, "code": code, "input": input });
    if let Some(path) = &arguments.cases {
        body["testCases"] = json!(cases::read(path)?);
    }
    if let Some(compare) = &arguments.compare {
        body["compare"] = json!(compare);
    }
    Ok(body)
}

/// Text of at most `limit` bytes; what is beyond is left unread.
fn read_text(from: impl Read, limit: u64) -> anyhow::Result<String> {
    let mut text = Vec::new();
    from.take(limit).read_to_end(&mut text)?;
    String::from_utf8(text).ok().context("it is not UTF-8 text")
}
