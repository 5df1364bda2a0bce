//! Judge0 as the last fallback (`JUDGE0_URL`): one submission for each run.
//!
//! The submissions of a job are created together and polled together. Judge0 is sent the code and
//! the inputs, never what a test case expects: outputs are compared here, as always.

mod catalog;
mod client;
mod report;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use warren_outbound::ClientError;
use warren_protocol::clip::clip;
use warren_protocol::compare::first_difference;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::outcome::{CaseResult, EngineName, Outcome, Run, Status, Timings};
use warren_protocol::submission::OnFailure;
use warren_protocol::time::EpochMillis;

use super::BackendName;
use super::config::{Judge0Config, PollPauses};
use super::fallback::{Checked, Remote};
use super::fault::Fault;
use catalog::{Catalog, LanguageEntry};
use client::{CODE, Client, garbage};
use report::{Judged, NoVerdict, Report};

/// The most jobs it is sent at a time, which bounds the memory that their answers take.
const MAX_JOBS: usize = 16;
/// How long its languages and limits are cached, because RapidAPI counts requests.
const CATALOG_AGE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long a job may take there. Its caller has left long before; the result is still recorded.
const LATEST: Duration = Duration::from_secs(20);

/// The Judge0 at `JUDGE0_URL`.
pub(super) struct Judge0 {
    client: Client,
    pauses: PollPauses,
    // Held during a fetch, so that concurrent jobs fetch it once.
    catalog: Mutex<Option<(Instant, Arc<Catalog>)>>,
}

impl Judge0 {
    pub(super) fn new(config: Judge0Config) -> Result<Self, ClientError> {
        Ok(Self {
            pauses: config.pauses,
            client: Client::new(config)?,
            catalog: Mutex::default(),
        })
    }

    async fn catalog(&self) -> Result<Arc<Catalog>, Fault> {
        let mut held = self.catalog.lock().await;
        if let Some((at, catalog)) = held.as_ref()
            && at.elapsed() < CATALOG_AGE
        {
            return Ok(Arc::clone(catalog));
        }
        let (languages, allows) =
            tokio::try_join!(self.client.get("languages"), self.client.get("config_info"))?;
        let catalog = Arc::new(Catalog { languages, allows });
        *held = Some((Instant::now(), Arc::clone(&catalog)));
        Ok(catalog)
    }

    /// Drops the cached catalogue, because a language has changed.
    async fn forget(&self) {
        *self.catalog.lock().await = None;
    }

    /// Creates one submission for each run.
    async fn create(
        &self,
        job: &Job,
        catalog: &Catalog,
        language: &LanguageEntry,
    ) -> Result<Vec<String>, Fault> {
        let code = STANDARD.encode(job.submission.code());
        let submissions: Vec<Value> = job
            .submission
            .inputs()
            .map(|input| {
                let mut submission = catalog.allows.limits(&job.limits);
                submission["language_id"] = language.id.into();
                submission["source_code"] = code.clone().into();
                submission["stdin"] = STANDARD.encode(input).into();
                submission
            })
            .collect();
        let mut tokens = Vec::with_capacity(submissions.len());
        for batch in submissions.chunks(catalog.allows.batch()) {
            let created = self.client.create(batch).await;
            tokens.extend(created.map_err(|fault| match tokens.is_empty() {
                true => fault,
                false => fault.after_sending(),
            })?);
        }
        Ok(tokens)
    }

    /// Waits until all submissions are done. Returns their reports in the same order.
    async fn results(&self, tokens: &[String], batch: usize) -> Result<Vec<Report>, Fault> {
        let begun = Instant::now();
        let mut reports: Vec<Option<Report>> = vec![None; tokens.len()];
        let mut pause = self.pauses.first;
        while begun.elapsed() < LATEST {
            sleep(pause).await;
            pause = (pause + pause / 2).min(self.pauses.last);
            let missing = reports
                .iter()
                .enumerate()
                .filter(|(_, report)| report.is_none());
            let missing: Vec<usize> = missing.map(|(index, _)| index).collect();
            for chunk in missing.chunks(batch) {
                for (index, report) in chunk.iter().zip(self.look(tokens, chunk).await?) {
                    if report.is_done()
                        && let Some(place) = reports.get_mut(*index)
                    {
                        *place = Some(report);
                    }
                }
            }
            if reports.iter().all(Option::is_some) {
                return Ok(reports.into_iter().flatten().collect());
            }
        }
        let message = "Judge0 did not run the job in time.";
        Err(Fault::failed(CODE, message).of_backend(None))
    }

    /// Polls some of the submissions once, in smaller parts if their output is too much for one
    /// answer.
    async fn look(&self, tokens: &[String], which: &[usize]) -> Result<Vec<Report>, Fault> {
        let mut parts = vec![which];
        let mut reports = Vec::with_capacity(which.len());
        while let Some(part) = parts.pop() {
            let asked = part.iter().filter_map(|index| tokens.get(*index).cloned());
            let asked: Vec<String> = asked.collect();
            match self.client.look(&asked).await? {
                Some(seen) => reports.extend(seen),
                None if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                None => return Err(garbage("more than one submission can print")),
            }
        }
        Ok(reports)
    }
}

impl Remote for Judge0 {
    fn name(&self) -> BackendName {
        BackendName::Judge0
    }

    fn max_jobs(&self) -> usize {
        MAX_JOBS
    }

    fn run<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Outcome, Fault>> {
        Box::pin(async move {
            let begun = Instant::now();
            let queue = EpochMillis::now().since(job.submitted_at);
            let catalog = self.catalog().await.map_err(Fault::before_sending)?;
            let name = job.submission.language();
            let language = catalog.language(name).ok_or_else(|| {
                Fault::refused("judge0_language", format!("Judge0 has no {name}."))
            })?;
            let tokens = match self.create(job, &catalog, language).await {
                Err(fault) if fault.message.contains("language_id") => {
                    self.forget().await;
                    return Err(fault);
                }
                tokens => tokens?,
            };
            let sandbox = begun.elapsed();
            let reports = self.results(&tokens, catalog.allows.batch()).await;
            let reports = reports.map_err(Fault::after_sending)?;
            let file_kb = catalog.allows.file_kb(&job.limits);
            let runs = reports
                .iter()
                .map(|report| report.judge(&job.limits, file_kb));
            let runs = runs.collect::<Result<Vec<_>, _>>().map_err(no_verdict)?;
            let (main, cases) = judge(job, runs);
            let mut outcome = Outcome {
                main,
                cases,
                timings: Timings {
                    queue,
                    sandbox,
                    run: begun.elapsed().saturating_sub(sandbox),
                },
                finished_at: EpochMillis::now(),
                worker: InstanceId::of_host(self.client.host()),
                image: language.name.clone(),
                engine: EngineName::Judge0,
            };
            clip(&mut outcome);
            Ok(outcome)
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<Checked, Fault>> {
        Box::pin(async move {
            let catalog = self.catalog().await?;
            Ok(Checked {
                latency: self.client.latency(),
                detail: format!(
                    "{} has {} languages; for when the queue is not",
                    self.client.host(),
                    catalog.languages.len()
                ),
            })
        })
    }
}

/// Returns the verdicts in the order of the runs: first on `input`, if there is such a run.
fn judge(job: &Job, runs: Vec<Judged>) -> (Option<Run>, Vec<CaseResult>) {
    let submission = &job.submission;
    let mut runs = runs.into_iter();
    let main = submission.main_input().and_then(|_input| runs.next());
    let main = main.map(|judged| judged.run);
    let stop = submission.on_failure() == OnFailure::Stop;
    let mut failed = main
        .as_ref()
        .is_some_and(|run| run.status != Status::Completed);
    let mut cases: Vec<CaseResult> = Vec::with_capacity(submission.test_cases().len());
    for (case, Judged { run, stdout }) in submission.test_cases().iter().zip(runs) {
        // Judge0 ran all of them at once; the answer is as if it had stopped here.
        if stop && failed {
            cases.push(CaseResult::not_run());
            continue;
        }
        let difference = match run.status {
            Status::Completed => {
                first_difference(submission.compare(), case.expected_output(), &stdout)
            }
            _ => None,
        };
        let result = CaseResult::judged(run, difference);
        failed |= !result.passed();
        cases.push(result);
    }
    (main, cases)
}

fn no_verdict(why: NoVerdict) -> Fault {
    match why {
        NoVerdict::InternalError(words) => {
            let words: String = words.chars().take(200).collect();
            let message = format!("Judge0 failed (status 13, Internal Error): {words}");
            Fault::failed(CODE, message).of_backend(None)
        }
        // A fault of this language alone.
        NoVerdict::ExecFormat => Fault::failed(
            CODE,
            "Judge0 cannot start its interpreter (status 14, Exec Format Error).",
        ),
        NoVerdict::Garbage(what) => garbage(what),
    }
}
