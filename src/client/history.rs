//! `warren history ROOM`: lists a room's executions, newest first.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use warren_protocol::time::EpochMillis;

use super::output;
use super::progress::Progress;
use super::server::Server;
use crate::cli::HistoryArguments;

/// The most executions that the server returns at a time.
const PAGE: u32 = 100;

/// A page of the history, with the fields that are shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    executions: Vec<Value>,
    next_cursor: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    job_id: String,
    status: String,
    language: Option<String>,
    submitted_at: Option<EpochMillis>,
    recorded_at: Option<EpochMillis>,
    duration_ms: Option<f64>,
}

/// Prints up to `--limit` executions, one a line.
///
/// # Errors
/// The server cannot be reached, or its answer breaks the contract.
pub fn history(arguments: &HistoryArguments) -> anyhow::Result<ExitCode> {
    let server = Server::new(&arguments.server);
    let path = format!("/api/rooms/{}/executions", arguments.room);
    let progress = Progress::start("reading");
    let mut executions = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let missing = arguments.limit - u32::try_from(executions.len()).unwrap_or(u32::MAX);
        let mut query = vec![("limit", missing.min(PAGE).to_string())];
        let filters = [
            ("language", &arguments.language),
            ("status", &arguments.status),
            ("cursor", &cursor),
        ];
        for (name, value) in filters {
            query.extend(value.clone().map(|value| (name, value)));
        }
        let answer = server.get(&path, &query, Duration::ZERO)?;
        if !answer.status.is_success() {
            drop(progress);
            return answer.complain(super::render::advice);
        }
        let page: Page = answer.json()?;
        let is_last = page.executions.is_empty();
        executions.extend(page.executions);
        executions.truncate(arguments.limit as usize);
        cursor = page.next_cursor;
        if cursor.is_none() || is_last || executions.len() >= arguments.limit as usize {
            break;
        }
    }
    drop(progress);
    if arguments.json {
        let all = json!({ "executions": executions, "nextCursor": cursor });
        output::raw(all.to_string().as_bytes())?;
    } else {
        let rows: Result<Vec<Row>, _> =
            executions.into_iter().map(serde_json::from_value).collect();
        output::to_stdout(table(&rows?).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        let took = row.duration_ms.map(|ms| format!("{ms:.0} ms"));
        let at = row.submitted_at.or(row.recorded_at).map(output::age);
        let _ = writeln!(
            text,
            "{}  {:<21}  {:<10}  {:>8}  {}",
            row.job_id,
            row.status,
            row.language.as_deref().unwrap_or("-"),
            took.as_deref().unwrap_or("-"),
            at.as_deref().unwrap_or("-"),
        );
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_one_row_even_if_it_has_not_run() {
        let row = |value| serde_json::from_value::<Row>(value).unwrap();
        let text = table(&[
            row(
                json!({"jobId": "a", "status": "completed", "success": true, "language": "python",
                "submittedAt": 1, "recordedAt": 2, "durationMs": 12.3, "codeSha256": null, "url": "/x"}),
            ),
            row(
                json!({"jobId": "b", "status": "pending", "language": null, "submittedAt": null,
                "recordedAt": null, "durationMs": null}),
            ),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("a  completed ") && lines[0].contains("12 ms"),
            "{text}"
        );
        assert!(lines[0].ends_with("d ago"), "{text}");
        assert!(
            lines[1].starts_with("b  pending ") && lines[1].ends_with('-'),
            "{text}"
        );
    }
}
