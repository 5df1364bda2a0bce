//! `warren bench`: Warren beside `docker run` and the bare interpreter, on one machine.
//!
//! All of them are measured in one run, in turns.

mod arguments;
mod broker;
mod context;
mod cpu;
mod latency;
mod machine;
mod plan;
mod process;
mod progress;
mod render;
mod report;
mod setup;
mod statistics;
mod sustained;
mod systems;
mod table;
mod workload;

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use warren_protocol::time::EpochMillis;

pub use self::arguments::BenchArguments;
use self::context::Bench;
use self::cpu::Meter;
use self::machine::Machine;
use self::plan::Plan;
use self::progress::Progress;
use self::report::Report;
pub use self::setup::Setup;
use self::systems::{Bare, DockerRun, Server, System, docker_engine};
use self::workload::{Kind, Workload};

/// The time for which the idle machine is watched.
const IDLE: Duration = Duration::from_secs(2);

/// Measures, prints tables on standard output and writes the figures as JSON. The exit status is 1
/// if jobs failed.
///
/// # Errors
/// Docker, the broker or Warren itself is not usable.
pub fn bench(arguments: &BenchArguments, setup: &Setup) -> anyhow::Result<ExitCode> {
    let jobs = Workload::all();
    let plan = Plan::new(arguments);
    // Warren, `docker run` and the bare interpreter; the last is not in the sustained part.
    let mut steps = latency::steps(&jobs, plan.rounds) * 3;
    steps += plan
        .sustained
        .as_ref()
        .map_or(0, |plan| sustained::steps(plan, 2, &jobs));
    steps += setup
        .rabbitmq_url
        .as_ref()
        .map_or(0, |_url| broker::steps(plan.round_trips));
    let bench = Bench::new(plan, Progress::new(steps))?;
    let measured = measure(&bench, setup, &jobs);
    bench.progress.finish();
    let report = measured?;
    report.write(&arguments.json)?;
    let mut out = stdout().lock();
    out.write_all(render::render(&report).as_bytes())?;
    writeln!(out, "\nThe figures are in {}.", arguments.json.display())?;
    Ok(if report.is_without_errors() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measure(bench: &Bench, setup: &Setup, jobs: &[Workload]) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let url = setup.rabbitmq_url.as_deref();
    if let Some(url) = url {
        runtime.block_on(broker::ensure_unused(url))?;
    }
    let machine = Machine::this(docker_engine()?);
    bench.progress.say("preparing docker run");
    let docker = DockerRun::prepare(jobs, setup)?;
    bench
        .progress
        .say("unpacking the images for the bare interpreter");
    let bare = Bare::prepare(jobs, setup)?;
    let server = Server::start(bench, setup)?;
    let warren = server.client()?;
    let mut all: Vec<&dyn System> = vec![&warren];
    all.extend(bare.as_ref().map(|bare| bare as &dyn System));
    all.push(&docker);
    warm_up(bench, &all, jobs)?;

    bench.progress.say("watching the idle machine");
    let meter = Meter::calibrate(bench, IDLE)?;
    let one_at_a_time = latency::measure(bench, meter, &all, jobs)?;
    let sustained = match &bench.plan.sustained {
        Some(plan) => sustained::measure(bench, meter, plan, &[&warren, &docker], jobs)?,
        None => Vec::new(),
    };
    let broker = match url {
        Some(url) => runtime.block_on(broker::measure(bench, url))?,
        None => Vec::new(),
    };
    server.stop()?;
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        build: if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
        finished_at: EpochMillis::now(),
        machine,
        queue: if url.is_some() {
            "RabbitMQ"
        } else {
            "an in-process queue"
        },
        plan: bench.plan.clone(),
        docker_run: docker.example(),
        idle_cpu_ms_per_second: meter.idle_ms_per_s(),
        one_at_a_time,
        sustained,
        broker,
        notes: notes(url.is_some(), bare.is_some(), meter),
        troubles: bench.troubles(),
    })
}

/// Runs every job once on every system, so that images, caches and connections are warm. If not even
/// hello works, something is not set up. The longer jobs may be too long for a busy machine; they
/// count as errors when they are measured.
fn warm_up(bench: &Bench, systems: &[&dyn System], jobs: &[Workload]) -> anyhow::Result<()> {
    for job in jobs {
        for system in systems {
            bench.check()?;
            let what = format!(
                "{} {} on {}",
                job.language,
                job.kind.name(),
                system.name().name()
            );
            bench.progress.say(&format!("warming up: {what}"));
            match system.run(job) {
                Err(error) if job.kind == Kind::Hello => {
                    return Err(error.context(format!("{what} does not work")));
                }
                Err(error) => bench.trouble(&format!("{what}, warming up"), &error),
                Ok(_) => {}
            }
        }
    }
    bench.pause(bench.plan.gap)
}

fn notes(broker: bool, bare: bool, meter: Meter) -> Vec<String> {
    let mut notes = Vec::new();
    if cfg!(debug_assertions) {
        notes.push("this is a debug build: its figures mean nothing; use `make bench`".to_owned());
    }
    if !broker {
        notes.push("no broker was measured: RABBITMQ_URL is not set".to_owned());
    }
    if !bare {
        notes.push(
            "the bare interpreter was left out: its chroot needs root and the command chroot"
                .to_owned(),
        );
    }
    if meter.was_busy() {
        notes.push(format!(
            "the machine was busy before the first job ({:.0} ms of CPU a second): do not trust the figures, \
             least of all those of CPU time; stop its other programs and measure again",
            meter.idle_ms_per_s()
        ));
    }
    notes
}
