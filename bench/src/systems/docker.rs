//! `docker run` with the limits of Warren's containers: the usual alternative.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use tempfile::TempDir;
use warren_protocol::limits::Limits;

use super::child;
use super::interpreter::{CODE, Interpreter};
use super::{Sample, System, SystemName};
use crate::setup::Setup;
use crate::workload::{Kind, Workload};

/// An account that exists in no image, as in Warren's containers.
const USER: &str = "61183:61183";
/// The label of a run's containers, to which this process's number is added.
const LABEL: &str = "warren.bench";

/// A system that runs each program by one `docker run --rm`.
pub struct DockerRun {
    programs: Vec<ContainerProgram>,
    _directory: TempDir,
}

/// A program and its `docker run` arguments.
struct ContainerProgram {
    kind: Kind,
    language: &'static str,
    arguments: Vec<String>,
}

impl DockerRun {
    /// Saves the programs and pulls missing images.
    ///
    /// # Errors
    /// There is no docker command, no engine, or no image.
    pub fn prepare(jobs: &[Workload], setup: &Setup) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("warren-bench-code-")
            .context("cannot create a temporary directory")?;
        let mut programs = Vec::new();
        for job in jobs {
            let interpreter = Interpreter::of(job, setup)?;
            have_image(&interpreter.image)?;
            let code = directory.path().join(format!(
                "{}-{}",
                job.language,
                job.kind.name().replace(' ', "-")
            ));
            interpreter.save(job, &code)?;
            programs.push(ContainerProgram {
                kind: job.kind,
                language: job.language,
                arguments: arguments(job, &interpreter, &code, &Limits::default()),
            });
        }
        Ok(Self {
            programs,
            _directory: directory,
        })
    }

    /// Returns the command line for Python's hello, as a person would type it.
    pub fn example(&self) -> String {
        let words = self
            .programs
            .first()
            .map(|program| program.arguments.join(" "));
        format!("docker {}", words.unwrap_or_default())
    }
}

/// Reads the engine's version and how it runs containers.
pub fn engine() -> anyhow::Result<String> {
    let format = "{{.ServerVersion}}, {{.DefaultRuntime}}, cgroup v{{.CgroupVersion}}, {{.Driver}}";
    child::output(Command::new("docker").args(["info", "--format", format]))
        .context("the benchmark needs Docker and its command line")
}

fn have_image(image: &str) -> anyhow::Result<()> {
    if child::output(
        Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", image]),
    )
    .is_ok()
    {
        return Ok(());
    }
    child::output(Command::new("docker").args(["pull", "--quiet", image]))
        .with_context(|| format!("the image {image} is not present and cannot be pulled; choose another with WARREN_IMAGE_…"))
        .map(drop)
}

fn arguments(
    job: &Workload,
    interpreter: &Interpreter,
    code: &Path,
    limits: &Limits,
) -> Vec<String> {
    let Limits {
        memory,
        cpu_percent,
        pids,
        scratch,
        open_files,
        ..
    } = limits;
    let memory = memory.get();
    let mut arguments = vec!["run".to_owned(), "--rm".to_owned()];
    if job.runs.iter().any(|run| !run.input.is_empty()) {
        arguments.push("--interactive".to_owned());
    }
    let limits = [
        "--network=none".to_owned(),
        format!("--memory={memory}"),
        format!("--memory-swap={memory}"),
        format!("--cpus={}.{:02}", cpu_percent / 100, cpu_percent % 100),
        format!("--pids-limit={pids}"),
        format!("--ulimit=nofile={open_files}"),
        "--ulimit=core=0".to_owned(),
        "--read-only".to_owned(),
        format!("--tmpfs=/tmp:rw,noexec,nosuid,nodev,size={}", scratch.get()),
        "--workdir=/tmp".to_owned(),
        "--cap-drop=ALL".to_owned(),
        "--security-opt=no-new-privileges".to_owned(),
        format!("--user={USER}"),
        format!("--label={LABEL}={}", std::process::id()),
        format!(
            "--mount=type=bind,src={},dst={CODE},readonly",
            code.display()
        ),
        interpreter.image.clone(),
    ];
    arguments.extend(limits);
    arguments.extend_from_slice(&interpreter.command);
    arguments
}

impl System for DockerRun {
    fn name(&self) -> SystemName {
        SystemName::DockerRun
    }

    fn run(&self, job: &Workload) -> anyhow::Result<Sample> {
        let program = self
            .programs
            .iter()
            .find(|program| (program.kind, program.language) == (job.kind, job.language));
        let arguments = &program.context("no such program")?.arguments;
        let begun = Instant::now();
        for run in &job.runs {
            child::run(Command::new("docker").args(arguments), run)?;
        }
        Ok(Sample {
            took: begun.elapsed(),
            timings: None,
        })
    }
}

impl Drop for DockerRun {
    /// Removes containers that a killed command left behind; usually none.
    fn drop(&mut self) {
        let filter = format!("label={LABEL}={}", std::process::id());
        let left = child::output(Command::new("docker").args(["ps", "-aq", "--filter", &filter]));
        for id in left.unwrap_or_default().lines() {
            drop(child::output(
                Command::new("docker").args(["rm", "--force", id]),
            ));
        }
    }
}

/// Unpacks the file system of an image.
pub fn unpack(image: &str, into: &Path) -> anyhow::Result<()> {
    have_image(image)?;
    let id = child::output(Command::new("docker").args(["create", image, "true"]))?;
    let archive: PathBuf = into.with_extension("tar");
    let unpacked = child::output(
        Command::new("docker")
            .args(["export", &id, "--output"])
            .arg(&archive),
    )
    .and_then(|_none| {
        child::output(
            Command::new("tar")
                .arg("-xf")
                .arg(&archive)
                .arg("-C")
                .arg(into),
        )
    });
    drop(child::output(
        Command::new("docker").args(["rm", "--force", &id]),
    ));
    drop(std::fs::remove_file(&archive));
    unpacked
        .map(drop)
        .with_context(|| format!("cannot unpack the image {image}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_the_contract_is_on_the_command_line() {
        let jobs = Workload::all();
        let interpreter = Interpreter {
            image: "base".to_owned(),
            file: "main.py".to_owned(),
            command: vec!["python3".to_owned(), "/code/main.py".to_owned()],
        };
        let given = arguments(&jobs[0], &interpreter, Path::new("/d"), &Limits::default());
        for limit in [
            "--network=none",
            "--memory=268435456",
            "--memory-swap=268435456",
            "--cpus=0.50",
            "--pids-limit=50",
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--user=61183:61183",
            "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16777216",
            "--mount=type=bind,src=/d,dst=/code,readonly",
        ] {
            assert!(
                given.iter().any(|argument| argument == limit),
                "{limit} in {given:?}"
            );
        }
        assert_eq!(
            given[given.len() - 3..],
            ["base", "python3", "/code/main.py"]
        );
        assert!(!given.contains(&"--interactive".to_owned()));
    }
}
