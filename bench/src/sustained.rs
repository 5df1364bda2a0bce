//! Measures throughput, and the cost of each job, with many jobs at a time.

use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::context::Bench;
use super::cpu::{Mark, Meter};
use super::plan::Sustained;
use super::statistics::Summary;
use super::systems::{System, SystemName};
use super::workload::{Kind, Workload};

/// The pause of a caller whose job failed, because a system that is down must not be asked without
/// pause.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// The shortest time between one system's window and the next one's.
const BETWEEN: Duration = Duration::from_secs(1);

/// The figures of one system at one number of jobs at a time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// The language's name.
    pub language: &'static str,
    /// The system.
    pub system: SystemName,
    /// The number of callers, each of which asks for the next job once it has its answer.
    pub concurrency: usize,
    /// The length of the window in which jobs counted.
    pub window_s: f64,
    /// Jobs that failed.
    pub errors: usize,
    /// Successful jobs per second.
    pub jobs_per_second: f64,
    /// CPU time of the whole machine for each successful job.
    pub cpu_ms_per_job: f64,
    /// The callers' waits.
    #[serde(flatten)]
    pub times: Summary,
}

/// One job of a window.
struct Done {
    at: Instant,
    took: Option<Duration>,
}

/// Returns the number of steps of this part, which are seconds.
pub fn steps(plan: &Sustained, systems: usize, jobs: &[Workload]) -> u64 {
    let seconds = plan
        .levels
        .iter()
        .map(|level| (plan.ramp + plan.window(*level)).as_secs());
    seconds.sum::<u64>() * (systems * hello(jobs).count()) as u64
}

/// Measures every level in every language, one system after the other.
///
/// # Errors
/// The run was interrupted. Jobs that fail are counted.
pub fn measure(
    bench: &Bench,
    meter: Meter,
    plan: &Sustained,
    systems: &[&dyn System],
    jobs: &[Workload],
) -> anyhow::Result<Vec<Throughput>> {
    let mut all = Vec::new();
    for level in &plan.levels {
        for job in hello(jobs) {
            for system in systems {
                bench.progress.say(&format!(
                    "{level} at a time: {} on {}",
                    job.language,
                    system.name().name()
                ));
                let spans = (plan.ramp, plan.window(*level));
                all.push(window(bench, meter, *system, job, *level, spans)?);
                bench.pause(BETWEEN.max(bench.plan.gap))?;
            }
        }
    }
    Ok(all)
}

fn hello(jobs: &[Workload]) -> impl Iterator<Item = &Workload> {
    jobs.iter().filter(|job| job.kind == Kind::Hello)
}

fn window(
    bench: &Bench,
    meter: Meter,
    system: &dyn System,
    job: &Workload,
    level: NonZeroUsize,
    (ramp, window): (Duration, Duration),
) -> anyhow::Result<Throughput> {
    let over = CancellationToken::new();
    let (timed, done) = thread::scope(|scope| {
        let callers: Vec<_> = (0..level.get())
            .map(|_| scope.spawn(|| call(bench, system, job, &over)))
            .collect();
        let timed = wait(bench, ramp, window);
        over.cancel();
        let done: Vec<Done> = callers
            .into_iter()
            .filter_map(|caller| caller.join().ok())
            .flatten()
            .collect();
        (timed, done)
    });
    let (begin, end) = timed?;
    let counted: Vec<&Done> = done
        .iter()
        .filter(|job| begin.at() <= job.at && job.at < end.at())
        .collect();
    let times: Vec<Duration> = counted.iter().filter_map(|job| job.took).collect();
    let window_s = (end.at() - begin.at()).as_secs_f64();
    let summary = Summary::of(&times);
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of jobs are far below 2^52"
    )]
    let jobs = times.len() as f64;
    Ok(Throughput {
        language: job.language,
        system: system.name(),
        concurrency: level.get(),
        window_s,
        errors: counted.len() - times.len(),
        jobs_per_second: jobs / window_s,
        cpu_ms_per_job: if times.is_empty() {
            0.0
        } else {
            (meter.between(begin, end) / jobs).max(0.0)
        },
        times: summary,
    })
}

/// Waits for the ramp and the window, and returns the window's two ends.
fn wait(bench: &Bench, ramp: Duration, window: Duration) -> anyhow::Result<(Mark, Mark)> {
    bench.pause(ramp)?;
    bench.progress.step(ramp.as_secs());
    let begin = Mark::now()?;
    for _second in 0..window.as_secs() {
        bench.pause(Duration::from_secs(1))?;
        bench.progress.step(1);
    }
    Ok((begin, Mark::now()?))
}

/// Acts as one caller: asks for a job, waits for its answer, asks for the next.
fn call(bench: &Bench, system: &dyn System, job: &Workload, over: &CancellationToken) -> Vec<Done> {
    let mut done = Vec::new();
    while !over.is_cancelled() {
        let result = system.run(job);
        let at = Instant::now();
        if let Err(error) = &result {
            bench.trouble(
                &format!("{} on {}, sustained", job.language, system.name().name()),
                error,
            );
            thread::sleep(AFTER_FAILURE);
        }
        done.push(Done {
            at,
            took: result.ok().map(|sample| sample.took),
        });
    }
    done
}
