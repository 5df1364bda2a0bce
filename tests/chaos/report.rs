//! The figures of a run, as printed and as recorded in docs/RELIABILITY.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::audit::Sum;
use super::journal::{Broken, Kind, Violation};
use super::ledger::{End, Entry, Ledger};
use super::leftovers::Leftovers;
use super::logs::Logs;
use super::recovery::{Recovery, percentile};

/// The lines of the document that enclose the table.
const BEGIN: &str = "<!-- chaos: begin -->";
const FINISH: &str = "<!-- chaos: end -->";
const DOCUMENT: &str = "docs/RELIABILITY.md";

/// The figures of a run.
pub struct Figures {
    pub seed: u64,
    pub took: Duration,
    pub binary: &'static str,
    pub requests: usize,
    pub verdicts: usize,
    pub errors: BTreeMap<String, u32>,
    pub server_killed: usize,
    pub unattended: usize,
    pub unattended_refused: BTreeMap<String, u32>,
    pub sum: Sum,
    pub slowest: Duration,
    pub lost: usize,
    pub doubled: usize,
    pub others: usize,
    pub executions: u32,
    pub re_executions: u32,
    pub most_executions: u32,
    pub workers: usize,
    pub recovery: Vec<Recovery>,
    pub all_well: Duration,
    pub orphans_gone: Duration,
    pub leftovers: Leftovers,
    pub leftovers_gone: Duration,
}

/// The sources of the figures.
pub struct Material<'a> {
    pub seed: u64,
    pub took: Duration,
    pub ledger: &'a Ledger,
    pub violations: &'a [Violation],
    pub sum: Sum,
    pub logs: &'a Logs,
    pub recovery: Vec<Recovery>,
    pub all_well: Duration,
    pub orphans_gone: Duration,
    pub leftovers: (Leftovers, Duration),
}

impl Figures {
    /// Counts the figures.
    pub fn of(material: Material<'_>) -> Self {
        let entries = material.ledger.entries();
        let mut errors = BTreeMap::new();
        for entry in &entries {
            if let End::Error { code, .. } = &entry.end {
                *errors.entry(code.clone()).or_default() += 1;
            }
        }
        let count = |is_so: fn(&Entry) -> bool| entries.iter().filter(|e| is_so(e)).count();
        let broken = |what: Broken| {
            let all = material.violations.iter();
            all.filter(|violation| violation.broken == what).count()
        };
        let (lost, doubled) = (broken(Broken::Lost), broken(Broken::Doubled));
        Self {
            seed: material.seed,
            took: material.took,
            binary: if std::env::var_os("WARREN_TEST_BINARY").is_some() {
                "the one of WARREN_TEST_BINARY"
            } else {
                "debug"
            },
            requests: entries.len(),
            verdicts: count(|entry| matches!(entry.end, End::Verdict(_))),
            server_killed: count(|entry| matches!(entry.end, End::ServerKilled)),
            slowest: entries.iter().map(|e| e.took).max().unwrap_or_default(),
            errors,
            unattended: material.ledger.unattended().len(),
            unattended_refused: material.ledger.unattended_refused(),
            sum: material.sum,
            others: material.violations.len() - lost - doubled,
            lost,
            doubled,
            executions: material.logs.begun.values().sum(),
            re_executions: material.logs.re_executions(),
            most_executions: material.logs.most(),
            workers: material.logs.workers.len(),
            recovery: material.recovery,
            all_well: material.all_well,
            orphans_gone: material.orphans_gone,
            leftovers: material.leftovers.0,
            leftovers_gone: material.leftovers.1,
        }
    }

    /// Formats the figures as Markdown.
    pub fn table(&self) -> String {
        let told = |counts: &BTreeMap<String, u32>| {
            let each = counts.iter().map(|(name, n)| format!("{n} × {name}"));
            let text = each.collect::<Vec<_>>().join(", ");
            if text.is_empty() {
                "none".to_owned()
            } else {
                text
            }
        };
        let Sum {
            unattended_done,
            unattended_crashed,
            late,
            failed,
            without_result,
            unrecorded,
        } = &self.sum;
        let Leftovers {
            containers,
            processes,
            cgroups,
            mounts,
            volumes,
            disk,
        } = &self.leftovers;
        let rows = [
            ("seed", self.seed.to_string()),
            ("took", format!("{:.0} s", self.took.as_secs_f64())),
            ("binary", self.binary.to_owned()),
            ("jobs", (self.requests + self.unattended).to_string()),
            ("requests", self.requests.to_string()),
            (
                "— answered with the right verdict",
                self.verdicts.to_string(),
            ),
            ("— answered with an explicit error", told(&self.errors)),
            (
                "— sent to an API that was killed under them",
                self.server_killed.to_string(),
            ),
            (
                "— slowest answer",
                format!("{:.2} s", self.slowest.as_secs_f64()),
            ),
            ("errors whose result could be read later", late.to_string()),
            ("— whose record says failed", failed.to_string()),
            ("— that never had a result", without_result.to_string()),
            (
                "records that died with a killed API",
                unrecorded.to_string(),
            ),
            ("unattended jobs accepted", self.unattended.to_string()),
            ("— done with the right verdict", unattended_done.to_string()),
            (
                "— told as `worker_crashed`",
                unattended_crashed.len().to_string(),
            ),
            (
                "— submissions refused or unconfirmed",
                told(&self.unattended_refused),
            ),
            ("**lost**", format!("**{}**", self.lost)),
            ("**doubled**", format!("**{}**", self.doubled)),
            ("other promises not kept", self.others.to_string()),
            ("executions", self.executions.to_string()),
            ("re-executions", self.re_executions.to_string()),
            ("— the most of one job", self.most_executions.to_string()),
            ("worker processes", self.workers.to_string()),
            (
                "all well again after the last fault",
                format!("{:.1} s", self.all_well.as_secs_f64()),
            ),
            (
                "containers of dead workers gone after",
                format!("{:.1} s", self.orphans_gone.as_secs_f64()),
            ),
            (
                "left behind",
                format!(
                    "{} containers, {} processes, {} cgroups, {} mounts, {} volumes, {} KiB of disk ({:.1} s after the end)",
                    containers.len(),
                    processes.len(),
                    cgroups.len(),
                    mounts.len(),
                    volumes.len(),
                    disk / 1024,
                    self.leftovers_gone.as_secs_f64()
                ),
            ),
        ];
        let mut text = "| figure | value |\n|---|---|\n".to_owned();
        for (name, value) in rows {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        text += "\n| fault | times | next verdict after: median, most | service back after: median, most |\n|---|---|---|---|\n";
        for recovery in &self.recovery {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                recovery.kind.name(),
                recovery.faults,
                spread(&recovery.first),
                spread(&recovery.back),
            );
        }
        text
    }

    /// Returns how often faults of these kinds occurred.
    pub fn faults(&self, kinds: &[Kind]) -> usize {
        let of = self.recovery.iter();
        of.filter(|r| kinds.contains(&r.kind))
            .map(|r| r.faults)
            .sum()
    }

    /// Writes the table into the document.
    pub fn record(&self) -> anyhow::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(FINISH)?;
            Some((before, after))
        });
        let (before, after) = parts.with_context(|| format!("{DOCUMENT} has no {BEGIN}"))?;
        let table = self.table();
        fs::write(path, format!("{before}{BEGIN}\n\n{table}\n{FINISH}{after}"))?;
        Ok(())
    }
}

fn spread(sorted: &[Duration]) -> String {
    let seconds = |time: Option<Duration>| {
        time.map_or_else(
            || "never".to_owned(),
            |t| format!("{:.1} s", t.as_secs_f64()),
        )
    };
    format!(
        "{}, {}",
        seconds(percentile(sorted, 50)),
        seconds(percentile(sorted, 100))
    )
}
