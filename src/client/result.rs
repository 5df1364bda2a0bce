//! `warren result ID` and `warren cancel ID`: shows or cancels a job.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use warren_protocol::contract::ExecuteResponse;

use super::progress::Progress;
use super::server::{Answer, Server};
use super::{output, render, run};
use crate::cli::{CancelArguments, ResultArguments};
use crate::exit::EXIT_TROUBLE;

/// The longest wait to ask of the server at a time.
const POLL: Duration = Duration::from_secs(20);
/// The pause between two requests, if the server answers at once that there is no result yet.
const PAUSE: Duration = Duration::from_millis(250);

/// Prints a job's output, with the verdict on standard error; waits for it as long as asked.
///
/// # Errors
/// The server cannot be reached, or its answer breaks the contract.
pub fn result(arguments: &ResultArguments) -> anyhow::Result<ExitCode> {
    let server = Server::new(&arguments.server);
    let answer = settled(&server, arguments)?;
    if arguments.json {
        output::raw(&answer.body)?;
        return Ok(run::status_of_json(&answer));
    }
    if !answer.status.is_success() {
        return answer.complain(render::advice);
    }
    let body: Value = answer.json()?;
    if body["result"].is_object() {
        let response: ExecuteResponse = serde_json::from_value(body["result"].clone())?;
        return run::verdict(&response);
    }
    let status = body["status"].as_str().unwrap_or("unknown");
    let why = body["error"]["message"].as_str();
    let why = why.unwrap_or("There is no result yet; wait for it with --wait SECONDS.");
    output::to_stderr(&format!("✗ {status}: {why}\n"))?;
    Ok(ExitCode::from(EXIT_TROUBLE))
}

/// Returns the answer once the job or the wait is over.
fn settled(server: &Server, arguments: &ResultArguments) -> anyhow::Result<Answer> {
    let path = format!("/api/executions/{}", arguments.id);
    let until = Instant::now() + Duration::from_secs(arguments.wait);
    let progress = Progress::start("asking");
    loop {
        let wait = until.saturating_duration_since(Instant::now()).min(POLL);
        let query = match wait.as_secs() {
            0 => vec![],
            seconds => vec![("wait", seconds.to_string())],
        };
        let answer = server.get(&path, &query, wait)?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let state = body["status"].as_str().unwrap_or("unknown");
        // A job that has just been submitted may not be recorded yet.
        let is_open = answer.status == StatusCode::NOT_FOUND
            || (answer.status.is_success() && ["pending", "queued", "running"].contains(&state));
        if !is_open || Instant::now() >= until {
            return Ok(answer);
        }
        progress.state(state.to_owned());
        sleep(PAUSE.min(until.saturating_duration_since(Instant::now())));
    }
}

/// Cancels a queued or running job.
///
/// # Errors
/// The server cannot be reached, or its answer breaks the contract.
pub fn cancel(arguments: &CancelArguments) -> anyhow::Result<ExitCode> {
    let server = Server::new(&arguments.server);
    let answer = server.delete(&format!("/api/executions/{}", arguments.id))?;
    if !answer.status.is_success() {
        return answer.complain(render::advice);
    }
    output::to_stderr(&format!("{} is cancelled\n", arguments.id))?;
    Ok(ExitCode::SUCCESS)
}
