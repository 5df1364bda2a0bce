//! Compares the API's records with the answers that callers had.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::Mutex;

use super::journal::{Broken, Journal, Violation};
use super::ledger::{End, Entry, Ledger, Run};
use super::plan::Length;
use super::site::Site;
use crate::harness::http;
use crate::harness::wait::SOON;

/// The age at which a job without a result is reported as lost: a minute after its caller was
/// answered.
const LOST: Duration = Duration::from_secs(66);
/// The time before an API's death in which its results may be unrecorded: they die with it, and on
/// a busy machine it may be behind.
const UNRECORDED: Duration = Duration::from_secs(15);
/// Records read at a time.
const READERS: usize = 8;

/// The recorded state of a job.
#[derive(Clone, Debug, PartialEq)]
enum Record {
    Missing,
    Pending,
    Lost,
    Failed(String),
    Ran(Box<Value>),
}

/// The jobs, counted by their final state.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Unattended jobs with the right verdict, and those reported as `worker_crashed`.
    pub unattended_done: u32,
    pub unattended_crashed: Vec<String>,
    /// Requests answered with an error whose result was there later, failed later, or never came.
    pub late: u32,
    pub failed: u32,
    pub without_result: u32,
    /// Verdicts that died with their API before they were recorded; their callers had them.
    pub unrecorded: u32,
}

/// An auditor of records.
pub struct Audit {
    pub site: Arc<Site>,
    pub ledger: Arc<Ledger>,
    pub journal: Arc<Journal>,
    /// The records that were once read as final.
    pub finals: Mutex<HashMap<String, Value>>,
}

impl Audit {
    /// Reads records during the faults: a final record must not change.
    pub async fn look_on(&self, mut random: fastrand::Rng) {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let unattended = self.ledger.unattended().into_iter();
            let waited_for = self.ledger.entries().into_iter();
            let jobs = unattended
                .map(|one| one.job.clone())
                .chain(waited_for.filter_map(|entry| entry.job.clone()));
            if let Some(job) = random.choice(jobs.collect::<Vec<_>>()) {
                // An API that cannot read now is asked again later.
                drop(self.read(&job, &mut random).await);
            }
        }
    }

    /// Checks every job at the end.
    pub async fn finish(&self, length: Length) -> Sum {
        let mut sum = Sum::default();
        self.unattended(&mut sum).await;
        if length == Length::Soak {
            let last = self
                .ledger
                .entries()
                .iter()
                .map(|entry| entry.answered)
                .max();
            let age = last.map_or(LOST, |last| last.elapsed());
            tokio::time::sleep(LOST.saturating_sub(age)).await;
        }
        let entries = self.ledger.entries();
        let looked = stream::iter(entries).map(|entry| async move {
            let counted = self.waited_for(&entry).await;
            (entry, counted)
        });
        let mut looked = looked.buffer_unordered(READERS);
        while let Some((entry, counted)) = looked.next().await {
            match counted {
                Ok(Some(count)) => *count(&mut sum) += 1,
                Ok(None) => {}
                Err((broken, what)) => self.violation(&entry, broken, what),
            }
        }
        sum
    }

    async fn unattended(&self, sum: &mut Sum) {
        let started = Instant::now();
        for one in self.ledger.unattended() {
            let record = loop {
                let record = self.read(&one.job, &mut fastrand::Rng::new()).await;
                match record {
                    Ok(record @ (Record::Ran(_) | Record::Failed(_))) => break Some(record),
                    _ if started.elapsed() > SOON => break record.ok(),
                    _ => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            };
            let fault = match record {
                Some(Record::Ran(result)) => {
                    sum.unattended_done += 1;
                    one.expected.fault_of(&result)
                }
                Some(Record::Failed(code)) if code == "worker_crashed" => {
                    sum.unattended_crashed.push(one.job.clone());
                    // No program of a run kills its worker.
                    Some("reported as worker_crashed".to_owned())
                }
                other => {
                    let what = format!("accepted unattended, and its record is {other:?}");
                    self.journal.about(Broken::Lost, Some(&one.job), what);
                    None
                }
            };
            if let Some(what) = fault {
                self.journal.about(Broken::Wrong, Some(&one.job), what);
            }
        }
    }

    /// Returns the count that it belongs to, or else the fault.
    async fn waited_for(
        &self,
        entry: &Entry,
    ) -> Result<Option<fn(&mut Sum) -> &mut u32>, (Broken, String)> {
        let Some(job) = &entry.job else {
            return Ok(None);
        };
        let wanted = |record: &Record| match &entry.end {
            End::Verdict(_) => matches!(record, Record::Ran(_)),
            End::Error {
                result_may_come: true,
                ..
            } => *record != Record::Missing,
            _ => true,
        };
        let started = Instant::now();
        let record = loop {
            match self.read(job, &mut fastrand::Rng::new()).await {
                Ok(record) if wanted(&record) || started.elapsed() > SOON => break record,
                Err(error) if started.elapsed() > SOON => {
                    return Err((
                        Broken::Wrong,
                        format!("its record cannot be read: {error:#}"),
                    ));
                }
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        let died_first = entry.api.killed_at();
        let died_first = died_first.is_some_and(|at| at <= entry.answered + UNRECORDED);
        let crashed = |code: &str| code.ends_with("worker_crashed");
        match (&entry.end, record) {
            (End::Verdict(run), Record::Ran(result)) if Run::of(&result).as_ref() == Some(run) => {
                Ok(None)
            }
            (End::Verdict(run), Record::Ran(result)) => Err((
                Broken::Doubled,
                format!("answered {run:?}, recorded {:?}", Run::of(&result)),
            )),
            (End::Verdict(run), Record::Failed(code)) => Err((
                Broken::Doubled,
                format!("answered {run:?}, recorded {code}"),
            )),
            (End::Error { code, .. }, Record::Ran(result)) if crashed(code) => Err((
                Broken::Doubled,
                format!("answered {code}, recorded {:?}", Run::of(&result)),
            )),
            (
                End::Error {
                    result_may_come: true,
                    ..
                },
                Record::Ran(result),
            ) => match entry.expected.fault_of(&result) {
                None => Ok(Some(|sum| &mut sum.late)),
                Some(fault) => Err((Broken::Wrong, format!("recorded wrongly: {fault}"))),
            },
            (
                End::Error {
                    result_may_come: true,
                    ..
                },
                Record::Failed(_),
            ) => Ok(Some(|sum| &mut sum.failed)),
            (
                End::Error {
                    result_may_come: true,
                    ..
                },
                Record::Lost,
            ) => Ok(Some(|sum| &mut sum.without_result)),
            (
                End::Error {
                    result_may_come: true,
                    ..
                },
                Record::Pending,
            ) if entry.answered.elapsed() < LOST => Ok(Some(|sum| &mut sum.without_result)),
            (
                End::Error {
                    result_may_come: false,
                    ..
                },
                Record::Missing,
            ) => Ok(None),
            (
                End::Verdict(_)
                | End::Error {
                    result_may_come: true,
                    ..
                },
                _,
            ) if died_first => Ok(Some(|sum| &mut sum.unrecorded)),
            (End::ServerKilled | End::Violation, _) => Ok(None),
            (End::Verdict(_), record) => Err((
                Broken::Lost,
                format!("answered, and its record is {record:?}"),
            )),
            (end, record) => Err((
                Broken::Lost,
                format!("answered {end:?}, and its record is {record:?}"),
            )),
        }
    }

    fn violation(&self, entry: &Entry, broken: Broken, what: String) {
        self.journal.violation(Violation {
            broken,
            what,
            job: entry.job.clone(),
            from: entry.sent,
            to: entry.answered,
        });
    }

    /// Reads the record of a job from any API. A record that was final before must be unchanged.
    async fn read(&self, job: &str, random: &mut fastrand::Rng) -> anyhow::Result<Record> {
        let api = self.site.api(random);
        let base = api.map(|life| life.base.clone());
        let base = base.ok_or_else(|| anyhow::anyhow!("no API takes requests"))?;
        let answer = http::get(format!("{base}/api/executions/{job}")).await?;
        let record = match (answer.status, answer.text("status")) {
            (404, _) => Record::Missing,
            (200, "pending") => Record::Pending,
            (200, "lost") => Record::Lost,
            (200, "failed") => Record::Failed(answer.error_code().to_owned()),
            (200, _) => Record::Ran(Box::new(answer.body["result"].clone())),
            (status, _) => anyhow::bail!("{status} {:.200}", answer.raw),
        };
        let mut finals = self.finals.lock().await;
        match finals.get(job) {
            Some(before) if *before != answer.body => {
                let what = format!("recorded {before}, and later {}", answer.body);
                self.journal.about(Broken::Doubled, Some(job), what);
            }
            None if matches!(record, Record::Ran(_) | Record::Failed(_)) => {
                finals.insert(job.to_owned(), answer.body);
            }
            _ => {}
        }
        Ok(record)
    }
}
