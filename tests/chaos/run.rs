//! One run from its start to its figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::audit::Audit;
use super::caller::Callers;
use super::faults::Faults;
use super::journal::{Broken, Journal, Kind, Violation};
use super::ledger::{End, Ledger};
use super::leftovers::{self, Before, GONE};
use super::logs::{self, Logs};
use super::plan::{Length, Plan};
use super::post::Role;
use super::program::Program;
use super::recovery;
use super::report::{Figures, Material};
use super::site::{Site, Size};
use super::unattended::Submitter;
use crate::harness::http;
use crate::harness::wait::SOON;

/// The most violations that are reported in full.
const TOLD: usize = 20;
/// The interval at which processes are looked after.
const LOOK: Duration = Duration::from_millis(500);

/// Carries out the plan, prints the results, and fails if a promise was not kept.
pub async fn run(plan: Plan, mongodb: String) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let before = Before::take().await?;
    let size = Size {
        apis: plan.apis,
        workers: plan.workers,
        api: Vec::new(),
    };
    let site = Arc::new(Site::start(size, &mongodb).await?);
    let (journal, ledger) = (Arc::<Journal>::default(), Arc::<Ledger>::default());
    let watching =
        AbortOnDropHandle::new(tokio::spawn(watch(Arc::clone(&site), Arc::clone(&journal))));
    let audit = Arc::new(Audit {
        site: Arc::clone(&site),
        ledger: Arc::clone(&ledger),
        journal: Arc::clone(&journal),
        finals: tokio::sync::Mutex::default(),
    });
    let looker = (Arc::clone(&audit), random.fork());
    let looking = AbortOnDropHandle::new(tokio::spawn(async move {
        looker.0.look_on(looker.1).await;
    }));
    let callers = Arc::new(Callers {
        site: Arc::clone(&site),
        ledger: Arc::clone(&ledger),
        journal: Arc::clone(&journal),
        rate: plan.rate,
        programs: Program::random,
        unattended: Some((Submitter::new(&site.own_url())?, plan.unattended_every)),
        sent: AtomicU32::new(0),
    });
    eprintln!("chaos: load begins after {:.1?}", started.elapsed());
    let enough = CancellationToken::new();
    let calling = Arc::clone(&callers).call(random.fork(), enough.clone());
    let calling = AbortOnDropHandle::new(tokio::spawn(calling));
    let faults = Arc::new(Faults {
        site: Arc::clone(&site),
        journal: Arc::clone(&journal),
        plan: plan.clone(),
    });
    faults.run(&mut random).await?;
    while callers.sent.load(Ordering::SeqCst) < plan.jobs {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    enough.cancel();
    calling.await?;
    eprintln!("chaos: load ends after {:.1?}", started.elapsed());
    let all_well = well_again(&site, &mut random).await?;
    let orphans_gone = orphans(&site, &journal).await?;
    drop(looking);
    let sum = audit.finish(plan.length).await;
    eprintln!("chaos: looked at every job after {:.1?}", started.elapsed());
    drop(watching);
    if let Some((submitter, _)) = &callers.unattended {
        submitter.close().await;
    }
    site.stop(&journal).await?;
    let logs = Logs::read(site.logs())?;
    refused_and_run(&ledger, &logs, &journal);
    let leftovers = before.left(&logs.workers).await?;
    if !leftovers.0.is_clean() {
        journal.violated(Broken::LeftBehind, format!("{:#?}", leftovers.0));
    }
    let violations = journal.violations();
    let figures = Figures::of(Material {
        seed: plan.seed,
        took: started.elapsed(),
        ledger: &ledger,
        violations: &violations,
        sum,
        logs: &logs,
        recovery: recovery::of(&journal.marks(), &ledger.entries()),
        all_well,
        orphans_gone,
        leftovers,
    });
    eprintln!(
        "{}",
        recovery::timeline(&journal.marks(), &ledger.entries())
    );
    eprintln!("{}", figures.table());
    tell(&violations, &journal, &site);
    for job in figures.sum.unattended_crashed.iter().take(TOLD) {
        eprintln!("reported as worker_crashed: {job}");
        tell_job(job, &site);
    }
    if plan.length == Length::Soak {
        figures.record()?;
    }
    let did_all = figures.faults(&[Kind::WorkerKill]) >= plan.kills as usize
        && figures.faults(&[Kind::BrokerKill, Kind::BrokerStop]) >= plan.restarts as usize
        && figures.faults(&[Kind::Cut]) >= plan.cuts as usize
        && figures.requests + figures.unattended >= plan.jobs as usize / 2;
    drop((audit, callers));
    if !violations.is_empty() || std::env::var_os("WARREN_CHAOS_KEEP_LOGS").is_some() {
        let kept = Arc::into_inner(site).map(Site::keep_logs);
        eprintln!("chaos: the logs of all processes are in {kept:?}");
    }
    anyhow::ensure!(
        violations.is_empty(),
        "{} promises not kept, with the seed {}",
        violations.len(),
        plan.seed
    );
    anyhow::ensure!(did_all, "not all faults of the plan were done");
    anyhow::ensure!(figures.verdicts > 0, "no request had a verdict");
    Ok(())
}

/// Waits until every API answers with a verdict and every process reports that it is healthy.
async fn well_again(site: &Site, random: &mut fastrand::Rng) -> anyhow::Result<Duration> {
    let started = Instant::now();
    for api in site.of(Role::Api) {
        let life = api.life().context("an API")?;
        loop {
            let program = Program::trivial(random.u32(1_000_000..2_000_000));
            let answer = http::submit(life.url.clone(), &program.submission).await?;
            if answer.status == 200 {
                let fault = program.expected.fault_of(&answer.body);
                anyhow::ensure!(fault.is_none(), "{}: {fault:?}", life.name);
                break;
            }
            anyhow::ensure!(
                started.elapsed() < SOON,
                "{} does not recover: {}",
                life.name,
                answer.raw
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    site.until_ready().await?;
    Ok(started.elapsed())
}

async fn watch(site: Arc<Site>, journal: Arc<Journal>) {
    loop {
        for post in &site.posts {
            if let Err(error) = post.look_after(&journal).await {
                journal.violated(Broken::Process, format!("{}: {error:#}", post.name));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until no container of a dead worker is left, while others live to sweep.
async fn orphans(site: &Site, journal: &Journal) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let dead = Logs::read(site.logs())?.workers;
    loop {
        let containers = leftovers::containers().await?;
        let left: Vec<_> = containers
            .into_iter()
            .filter(|(_, worker)| dead.contains(worker))
            .collect();
        if left.is_empty() {
            return Ok(started.elapsed());
        }
        if started.elapsed() > GONE {
            let what = format!("containers of dead workers after {GONE:?}: {left:?}");
            journal.violated(Broken::LeftBehind, what);
            return Ok(started.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Checks that no refused request was run.
fn refused_and_run(ledger: &Ledger, logs: &Logs, journal: &Journal) {
    for entry in ledger.entries() {
        let refused = matches!(
            entry.end,
            End::Error {
                result_may_come: false,
                ..
            }
        );
        if let Some(job) = &entry.job
            && refused
            && logs.begun.contains_key(job)
        {
            journal.violation(Violation {
                broken: Broken::Wrong,
                what: format!("answered {:?}, but begun", entry.end),
                job: Some(job.clone()),
                from: entry.sent,
                to: entry.answered,
            });
        }
    }
}

fn tell(violations: &[Violation], journal: &Journal, site: &Site) {
    for violation in violations.iter().take(TOLD) {
        eprintln!("{:?}: {}", violation.broken, violation.what);
        eprintln!(
            "  job {:?}, under way: {:#?}",
            violation.job,
            journal.around(violation)
        );
        if let Some(job) = &violation.job {
            tell_job(job, site);
        }
    }
}

fn tell_job(job: &str, site: &Site) {
    for line in logs::about(site.logs(), job) {
        eprintln!("  {line}");
    }
}
