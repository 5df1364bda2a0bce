//! Measures one job at a time.
//!
//! Each round gives every job to every system in turn, so that other activity of the machine affects
//! all of them alike.

use std::time::Duration;

use serde::Serialize;
use warren_protocol::contract::TimingsMs;
use warren_protocol::time::fractional_millis;

use super::context::Bench;
use super::cpu::{Mark, Meter};
use super::statistics::{Summary, mean};
use super::systems::{Sample, System, SystemName};
use super::workload::{Kind, Workload};

/// The time that the engine has to clean up after `docker run` before the next measurement.
const AFTER_DOCKER: Duration = Duration::from_millis(100);

/// The figures of one system on one job.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The kind of job.
    pub workload: Kind,
    /// The language's name.
    pub language: &'static str,
    /// The system.
    pub system: SystemName,
    /// Jobs that failed, which are in no other figure.
    pub errors: usize,
    /// The time from the request to the whole answer.
    #[serde(flatten)]
    pub times: Summary,
    /// CPU time of the whole machine for each job, including the work done for it afterwards.
    pub cpu_ms_per_job: f64,
    /// The time of each stage, for Warren.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
}

/// The stages of Warren's jobs: means in milliseconds, which add up to the mean of the whole.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Phases {
    /// The time outside the answer's `timings`: HTTP, validation, and the reply's way back.
    pub around_ms: f64,
    /// `timings.queueMs`.
    pub queue_ms: f64,
    /// `timings.sandboxMs`.
    pub sandbox_ms: f64,
    /// `timings.runMs`.
    pub run_ms: f64,
}

/// The measurements of one system on one job.
#[derive(Default)]
struct Cell {
    times: Vec<Duration>,
    timings: Vec<TimingsMs>,
    cpu: Vec<f64>,
    errors: usize,
}

/// Returns the number of jobs that this part runs on each system.
pub fn steps(jobs: &[Workload], rounds: u32) -> u64 {
    jobs.iter()
        .map(|job| u64::from(job.kind.rounds(rounds)))
        .sum()
}

/// Runs all rounds.
///
/// # Errors
/// The run was interrupted. Jobs that fail are counted.
pub fn measure(
    bench: &Bench,
    meter: Meter,
    systems: &[&dyn System],
    jobs: &[Workload],
) -> anyhow::Result<Vec<Latency>> {
    let rounds = bench.plan.rounds;
    let mut cells: Vec<Cell> = Vec::new();
    cells.resize_with(systems.len() * jobs.len(), Cell::default);
    for round in 0..rounds {
        for (row, job) in jobs.iter().enumerate() {
            if !job.kind.takes_part(round, rounds) {
                continue;
            }
            bench.progress.say(&format!(
                "one at a time: {} {}",
                job.language,
                job.kind.name()
            ));
            for (column, system) in systems.iter().enumerate() {
                let before = Mark::now()?;
                let result = system.run(job);
                bench.pause(rest_after(system.name(), bench.plan.gap))?;
                let cpu = meter.between(before, Mark::now()?);
                match result {
                    Ok(sample) => cells[row * systems.len() + column].add(sample, cpu),
                    Err(error) => {
                        bench.trouble(
                            &format!(
                                "{} {} on {}",
                                job.language,
                                job.kind.name(),
                                system.name().name()
                            ),
                            &error,
                        );
                        cells[row * systems.len() + column].errors += 1;
                    }
                }
                bench.progress.step(1);
            }
        }
    }
    let pairs = jobs
        .iter()
        .flat_map(|job| systems.iter().map(move |system| (job, system.name())));
    Ok(pairs
        .zip(&cells)
        .map(|((job, system), cell)| cell.sum_up(job, system))
        .collect())
}

/// Returns the pause after a job. It lets the work that follows a job (Warren removes a container and
/// starts another, the engine cleans up) count as the system's own CPU time, and keeps it from
/// slowing down the next job.
fn rest_after(system: SystemName, gap: Duration) -> Duration {
    match system {
        SystemName::Warren => gap,
        SystemName::DockerRun => AFTER_DOCKER,
        SystemName::BareInterpreter => Duration::ZERO,
    }
}

impl Cell {
    fn add(&mut self, sample: Sample, cpu: f64) {
        self.times.push(sample.took);
        self.timings.extend(sample.timings);
        self.cpu.push(cpu);
    }

    fn sum_up(&self, job: &Workload, system: SystemName) -> Latency {
        Latency {
            workload: job.kind,
            language: job.language,
            system,
            errors: self.errors,
            times: Summary::of(&self.times),
            cpu_ms_per_job: mean(&self.cpu).max(0.0),
            phases: (!self.timings.is_empty()).then(|| Phases::of(&self.times, &self.timings)),
        }
    }
}

impl Phases {
    fn of(times: &[Duration], timings: &[TimingsMs]) -> Self {
        let each =
            |part: fn(&TimingsMs) -> f64| mean(&timings.iter().map(part).collect::<Vec<_>>());
        let whole = mean(
            &times
                .iter()
                .map(|time| fractional_millis(*time))
                .collect::<Vec<_>>(),
        );
        let (queue_ms, sandbox_ms, run_ms) = (
            each(|t| t.queue_ms),
            each(|t| t.sandbox_ms),
            each(|t| t.run_ms),
        );
        Self {
            around_ms: whole - queue_ms - sandbox_ms - run_ms,
            queue_ms,
            sandbox_ms,
            run_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_to_the_whole() {
        let timings = |queue_ms, sandbox_ms, run_ms| TimingsMs {
            queue_ms,
            sandbox_ms,
            run_ms,
        };
        let phases = Phases::of(
            &[Duration::from_millis(100), Duration::from_millis(200)],
            &[timings(1.0, 50.0, 40.0), timings(3.0, 70.0, 100.0)],
        );
        assert_eq!(
            (phases.queue_ms, phases.sandbox_ms, phases.run_ms),
            (2.0, 60.0, 70.0)
        );
        assert_eq!(phases.around_ms, 18.0);
    }
}
