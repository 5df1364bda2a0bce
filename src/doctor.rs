//! `warren doctor`: examines sandboxes and host, and says what is wrong and what to do.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use warren_protocol::ids::InstanceId;
use warren_worker::{Examination, Examined, Severity, examine};

use crate::cli::DoctorArguments;
use crate::compose;
use crate::exit::{EXIT_DEGRADED, EXIT_WRONG};
use crate::settings::Settings;

/// The longest that the examined sandboxes may take to be removed.
const REMOVAL: Duration = Duration::from_secs(10);

/// Examines a sandbox of each language, and the host by it.
///
/// # Errors
/// The configuration cannot be used, or the engine does not answer.
pub fn doctor(arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::of_process()?;
    let instance = InstanceId::new("doctor");
    let examination = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(async {
            let slots = settings.worker.slots.get();
            let engine = compose::engine(&settings.worker, &instance)?;
            let examined = examine(engine.as_ref(), &settings.languages, slots).await;
            // What is left removes itself within seconds.
            engine.drain(REMOVAL).await;
            examined.context("cannot examine a sandbox")
        })?;
    let text = if arguments.json {
        format!("{:#}\n", as_json(&examination))
    } else {
        for_a_person(&examination)
    };
    stdout().write_all(text.as_bytes())?;
    Ok(match state(&examination) {
        "wrong" => ExitCode::from(EXIT_WRONG),
        "degraded" => ExitCode::from(EXIT_DEGRADED),
        _ => ExitCode::SUCCESS,
    })
}

/// Returns the state of the whole, in one word.
fn state(examination: &Examination) -> &'static str {
    if !examination.is_safe() {
        "wrong"
    } else if examination.worst() == Severity::Degraded {
        "degraded"
    } else {
        "ok"
    }
}

fn as_json(examination: &Examination) -> Value {
    let languages = examination.languages.iter().map(|(language, examined)| {
        let examined = match examined {
            Ok(Examined { posture, faults }) => json!({
                "status": if faults.is_empty() { "ok" } else { "wrong" },
                "faults": faults,
                "posture": posture.facts(),
            }),
            Err(error) => json!({ "status": "wrong", "error": error.to_string() }),
        };
        (language.to_string(), examined)
    });
    json!({
        "status": state(examination),
        "languages": languages.collect::<serde_json::Map<_, _>>(),
        "host": examination.host,
    })
}

/// The width of a line's first column, in characters.
const STATES: usize = 10;

fn for_a_person(examination: &Examination) -> String {
    let mut text = "Sandboxes\n".to_owned();
    let names = examination.languages.keys().map(|name| name.as_str().len());
    let width = names.max().unwrap_or(0) + 2;
    for (language, examined) in &examination.languages {
        let mut line = |state: &str, says: &str| {
            let language = language.as_str();
            text.push_str(&format!("  {state:STATES$}{language:width$}{says}\n"));
        };
        match examined {
            Err(error) => line("wrong", &error.to_string()),
            Ok(Examined { posture, faults }) if faults.is_empty() => {
                let facts = posture.facts().len();
                line(
                    "ok",
                    &format!("confined as it must be ({facts} facts read)"),
                );
            }
            Ok(Examined { faults, .. }) => {
                for fault in faults {
                    line("wrong", &fault.to_string());
                }
            }
        }
    }
    let names = examination.host.iter().map(|finding| finding.name.len());
    let width = names.max().unwrap_or(0) + 2;
    text.push_str("\nHost\n");
    for finding in &examination.host {
        let state = match finding.severity {
            Severity::Ok => "ok",
            Severity::Advice => "advice",
            Severity::Degraded => "degraded",
        };
        let (name, says) = (finding.name, &finding.says);
        text.push_str(&format!("  {state:STATES$}{name:width$}{says}\n"));
        if !finding.remedy.is_empty() {
            let (none, remedy) = ("", finding.remedy);
            text.push_str(&format!("  {none:STATES$}{none:width$}-> {remedy}\n"));
        }
    }
    text.push_str(match state(examination) {
        "wrong" => {
            "\nA sandbox is weaker than it must be: a worker here runs no job of that language. The engine or\n\
             its runtime has not done what it was asked: see docs/OPERATIONS.md, The host.\n"
        }
        "degraded" => {
            "\nJobs are run here, but the host weakens their sandboxes: see docs/OPERATIONS.md, The host.\n"
        }
        _ => "\nNothing on this host weakens the sandboxes.\n",
    });
    text
}
