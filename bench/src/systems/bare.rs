//! The interpreter alone, forked in a chroot of its image.
//!
//! There is no isolation and no limit. This is the least cost of any service that does not start its
//! interpreter beforehand.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{fs, io};

use anyhow::Context;
use tempfile::TempDir;

use super::interpreter::{CODE, Interpreter};
use super::{Sample, System, SystemName, child, docker};
use crate::setup::Setup;
use crate::workload::{Kind, Workload};

/// The account that programs run as.
const USER: &str = "61183:61183";
/// The search path for interpreters in official images and distributions.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The places where coreutils may install `chroot`.
const CHROOT: [&str; 3] = ["/usr/sbin/chroot", "/usr/bin/chroot", "/sbin/chroot"];

/// A system that runs each program by one `chroot`.
pub struct Bare {
    chroot: &'static str,
    programs: Vec<BareProgram>,
    _directory: TempDir,
}

/// A program in its root.
struct BareProgram {
    kind: Kind,
    language: &'static str,
    root: PathBuf,
    command: Vec<String>,
}

impl Bare {
    /// Unpacks the images. `None` if this process may not change its root directory.
    ///
    /// # Errors
    /// An image is not available or cannot be unpacked.
    pub fn prepare(jobs: &[Workload], setup: &Setup) -> anyhow::Result<Option<Self>> {
        let chroot = CHROOT.into_iter().find(|path| Path::new(path).exists());
        let Some(chroot) = chroot.filter(|_| rustix::process::geteuid().is_root()) else {
            return Ok(None);
        };
        let directory = TempDir::with_prefix("warren-bench-roots-")
            .context("cannot create a temporary directory")?;
        let mut programs = Vec::new();
        for job in jobs {
            let mut interpreter = Interpreter::of(job, setup)?;
            let root = directory.path().join(job.language);
            if !root.exists() {
                new_root(&root).with_context(|| format!("cannot create {}", root.display()))?;
                docker::unpack(&interpreter.image, &root)?;
            }
            // All programs of a language share one root, so each has a name of its own.
            let file = format!("{}-{}", job.kind.name().replace(' ', "-"), interpreter.file);
            let (own, usual) = (
                format!("{CODE}/{file}"),
                format!("{CODE}/{}", interpreter.file),
            );
            interpreter.file = file;
            interpreter.save(job, &root.join(CODE.trim_start_matches('/')))?;
            let command = interpreter.command.iter().map(|word| {
                if *word == usual {
                    own.clone()
                } else {
                    word.clone()
                }
            });
            programs.push(BareProgram {
                kind: job.kind,
                language: job.language,
                root,
                command: command.collect(),
            });
        }
        Ok(Some(Self {
            chroot,
            programs,
            _directory: directory,
        }))
    }
}

fn new_root(root: &Path) -> io::Result<()> {
    fs::create_dir(root)?;
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))
}

impl System for Bare {
    fn name(&self) -> SystemName {
        SystemName::BareInterpreter
    }

    fn run(&self, job: &Workload) -> anyhow::Result<Sample> {
        let program = self
            .programs
            .iter()
            .find(|program| (program.kind, program.language) == (job.kind, job.language));
        let program = program.context("no such program")?;
        let begun = Instant::now();
        for run in &job.runs {
            let mut command = Command::new(self.chroot);
            command
                .arg(format!("--userspec={USER}"))
                .arg(&program.root)
                .args(&program.command);
            child::run(command.env_clear().env("PATH", PATH), run)?;
        }
        Ok(Sample {
            took: begun.elapsed(),
            timings: None,
        })
    }
}
