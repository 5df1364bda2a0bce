//! Canaries: trivial programs that show that jobs of a language can be run.
//!
//! Each is run like any job.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use warren_languages::{Language, Languages, PolicyMode};
use warren_protocol::contract::ExecuteRequest;
use warren_protocol::ids::RoomId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::outcome::{Outcome, Status};
use warren_protocol::submission::Submission;
use warren_protocol::time::Deadline;

use crate::run::Executor;

/// The longest time that a canary may take: a healthy engine needs a quarter of a second.
const WITHIN: Duration = Duration::from_secs(4);

/// A runner of canaries.
pub(crate) struct Canary {
    executor: Arc<Executor>,
    pub(super) languages: Languages,
}

impl Canary {
    /// Creates a runner of canaries of these languages.
    pub(crate) fn new(executor: Arc<Executor>, languages: Languages) -> Self {
        Self {
            executor,
            languages,
        }
    }

    /// Checks that a program of this language runs and prints what it should. Retries once, since
    /// one may fail on a busy machine.
    pub(super) async fn check(&self, language: &Language) -> Result<(), Arc<str>> {
        match self.check_once(language).await {
            Ok(()) => Ok(()),
            Err(reason) => {
                tracing::warn!(language = %language.name(), reason, "a canary failed; retrying once");
                self.check_once(language).await.map_err(Into::into)
            }
        }
    }

    async fn check_once(&self, language: &Language) -> Result<(), String> {
        let nonce = Uuid::now_v7().simple().to_string();
        let request = ExecuteRequest {
            language: language.name().to_string(),
            code: language.canary().unwrap_or("\n").to_owned(),
            input: Some(nonce.clone()),
            test_cases: Vec::new(),
            compare: None,
            tolerance: None,
            stop_on_failure: None,
            callback_url: None,
        };
        let submission = Submission::parse(request, &self.languages, PolicyMode::Off)
            .map_err(|refusal| format!("its canary was refused: {refusal}"))?;
        let deadline = Deadline::after(WITHIN);
        let job = Job::new(RoomId::direct(), submission, Limits::default(), deadline);
        let outcome = self.executor.try_out(&job).await;
        let outcome = outcome.map_err(|error| error.to_string())?;
        match language.canary() {
            Some(_) => is_right(&outcome, &nonce),
            None => Ok(()),
        }
    }
}

fn is_right(outcome: &Outcome, nonce: &str) -> Result<(), String> {
    let status = outcome.status();
    let printed = outcome.main.as_ref().map(|run| run.stdout.text.trim());
    if status == Status::Completed && printed == Some(nonce) {
        return Ok(());
    }
    let says = outcome.main.as_ref().map(|run| run.stderr.text.trim());
    let says = says
        .and_then(|says| says.lines().last())
        .unwrap_or_default();
    Err(format!(
        "its canary, a program that prints what it reads, ended as {} ({says}); see whether its image is right",
        status.as_str()
    ))
}
