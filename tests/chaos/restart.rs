//! Restarts the broker at 50 requests a second and measures the recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::caller::Callers;
use super::journal::Journal;
use super::ledger::{End, Ledger};
use super::program::Program;
use super::recovery;
use super::site::{Site, Size};
use crate::harness::rabbitmq::Management;
use crate::harness::wait::SOON;

/// The longest that the whole may take.
pub const LIMIT: Duration = Duration::from_secs(600);
/// Requests per second, however few of them the machine can serve.
const RATE: u32 = 50;
/// The time over which throughput is measured.
const WINDOW: Duration = Duration::from_secs(4);
/// The time within which throughput is full again, once the broker accepts connections.
const BACK: Duration = Duration::from_secs(10);
/// The same on a slow or busy machine: as many times as long as its broker takes to start.
const BACK_IN_STARTS: u32 = 3;
/// The percentage of the earlier throughput that counts as full. The counts are small ones, of a
/// few seconds.
const FULL_PERCENT: usize = 60;
/// The time for which the broker's view must not change.
const STEADY: Duration = Duration::from_secs(1);

/// The numbers of consumers, by queue and prefetch.
type Consumers = BTreeMap<(String, u64), u32>;

/// Restarts the broker under load and fails if not everything is as before.
pub async fn run(mongodb: String) -> anyhow::Result<()> {
    let size = Size {
        apis: 2,
        workers: 2,
        // As many as are answered in time on a slow machine. The rest of the 50 are refused at
        // once, so that throughput is measured on the accepted ones.
        api: vec![("WARREN_MAX_IN_FLIGHT".to_owned(), "4".to_owned())],
    };
    let site = Arc::new(Site::start(size, &mongodb).await?);
    let (journal, ledger) = (Arc::<Journal>::default(), Arc::<Ledger>::default());
    let callers = Arc::new(Callers {
        site: Arc::clone(&site),
        ledger: Arc::clone(&ledger),
        journal: Arc::clone(&journal),
        rate: RATE,
        programs: |n, _random| Program::trivial(n),
        unattended: None,
        sent: AtomicU32::new(0),
    });
    let enough = CancellationToken::new();
    let calling = callers.call(fastrand::Rng::new(), enough.clone());
    let calling = AbortOnDropHandle::new(tokio::spawn(calling));
    // The first second fills the queue.
    tokio::time::sleep(Duration::from_secs(1) + WINDOW).await;
    let full = verdicts(&ledger, Instant::now() - WINDOW);
    // At least two of each worker and of each API: jobs of both kinds, replies and results. The
    // broker's view is some seconds old; a view that it shows twice is complete.
    let before = until_shown(&site.management, |shown| shown.values().sum::<u32>() >= 8).await?;
    tokio::time::sleep(STEADY).await;
    let before_still = consumers(&site.management).await?;
    ensure!(
        before == before_still,
        "{before:?} became {before_still:?} by itself"
    );
    let mut broker = site.broker.lock().await;
    broker.kill();
    site.until_all_say(&["degraded", "down"], SOON).await?;
    let starting = Instant::now();
    broker.start().await?;
    let back = Instant::now();
    let bound = BACK.max(BACK_IN_STARTS * (back - starting));
    let full_again = loop {
        let window = Instant::now().checked_sub(WINDOW).unwrap_or(back).max(back);
        let now = verdicts(&ledger, window);
        if now * 100 >= full * FULL_PERCENT {
            break back.elapsed();
        }
        if back.elapsed() >= bound {
            // Others may have begun to use the machine in the meantime; then it does no more later
            // on.
            tokio::time::sleep(WINDOW).await;
            let later = verdicts(&ledger, Instant::now() - WINDOW);
            ensure!(
                now * 100 >= later * FULL_PERCENT && later > 0,
                "{now} verdicts in the {WINDOW:?} before {bound:?} were over; {full} before the restart, {later} later:\n{}",
                recovery::timeline(&[], &ledger.entries())
            );
            break bound;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    enough.cancel();
    calling.await?;
    let workers = workers_since(&ledger, back);
    ensure!(
        workers == 2,
        "{workers} of 2 workers gave verdicts after the restart"
    );
    until_shown(&site.management, |shown| *shown == before)
        .await
        .with_context(|| format!("consumers and their prefetch were {before:?}"))?;
    let entries = ledger.entries();
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for entry in &entries {
        let end = match &entry.end {
            End::Error { code, .. } => code.clone(),
            End::Verdict(_) => "verdict".to_owned(),
            other => format!("{other:?}"),
        };
        *ends.entry(end).or_default() += 1;
    }
    eprintln!(
        "chaos: {full} verdicts in {WINDOW:?} at {RATE} requests a second; full again {full_again:.1?} after the broker was back; {ends:?}"
    );
    drop(broker);
    site.stop(&journal).await?;
    let violations = journal.violations();
    ensure!(violations.is_empty(), "{violations:#?}");
    ensure!(full > 0, "no verdicts before the restart");
    Ok(())
}

fn verdicts(ledger: &Ledger, since: Instant) -> usize {
    let entries = ledger.entries();
    let recent = entries.iter().filter(|entry| entry.answered >= since);
    recent
        .filter(|entry| matches!(entry.end, End::Verdict(_)))
        .count()
}

fn workers_since(ledger: &Ledger, since: Instant) -> usize {
    let entries = ledger.entries();
    let recent = entries.iter().filter(|entry| entry.answered >= since);
    let workers: BTreeSet<_> = recent
        .filter_map(|entry| match &entry.end {
            End::Verdict(run) => Some(run.worker.clone()),
            _ => None,
        })
        .collect();
    workers.len()
}

/// Waits until the management API shows what it should, and returns that.
async fn until_shown(
    management: &Management,
    is_so: impl Fn(&Consumers) -> bool,
) -> anyhow::Result<Consumers> {
    let started = Instant::now();
    loop {
        let shown = consumers(management).await?;
        if is_so(&shown) {
            return Ok(shown);
        }
        ensure!(
            started.elapsed() < SOON,
            "after {SOON:?} the broker shows {shown:?}"
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Returns the number of consumers with each prefetch on each queue; reply queues, whose names
/// their APIs choose, count under one name.
async fn consumers(management: &Management) -> anyhow::Result<Consumers> {
    let all = management.get("/consumers").await?;
    let mut counts = BTreeMap::new();
    for consumer in all.as_array().map(Vec::as_slice).unwrap_or_default() {
        let queue = consumer["queue"]["name"].as_str().unwrap_or_default();
        let own = queue.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let queue = if queue.starts_with("warren.jobs") || queue == "warren.results" {
            queue.to_owned()
        } else {
            own
        };
        let prefetch = consumer["prefetch_count"].as_u64().unwrap_or_default();
        *counts.entry((queue, prefetch)).or_default() += 1;
    }
    Ok(counts)
}
