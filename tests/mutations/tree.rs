//! A copy of the repository, in which one file at a time is changed.
//!
//! A command of the list is the arguments of `cargo test`; or `with warren: FILTERS`, which runs the
//! unchanged tests of `tests/main.rs` with a `warren` that is built from the changed tree, so that they
//! need not be linked again. `NAME=VALUE` before either sets a variable.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The bound on one command, in seconds, compilation included.
const COMMAND_SECONDS: &str = "900";

/// The beginning of commands that run the unchanged tests with a changed `warren`.
const WITH_WARREN: &str = "with warren: ";

/// The copy, at the same place in every run, so that its builds are reused.
pub struct Tree {
    path: PathBuf,
    fingerprint: String,
    /// Whether the tests of the unchanged tree are kept.
    has_tests: Cell<bool>,
}

/// How tests ended.
pub enum Verdict {
    /// All passed, and there were some.
    Green,
    /// One failed.
    Red,
    /// Nothing can be said: they do not compile, were not found, or took too long.
    Unclear(String),
}

impl Tree {
    /// Copies the tracked files, and removes what is none of them.
    pub fn copy() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join("target/mutations/tree");
        let listed = Command::new("git")
            .args(["ls-files", "-z"])
            .current_dir(root)
            .output();
        let listed = listed
            .map_err(|error| format!("cannot run git: {error}"))?
            .stdout;
        let listed = String::from_utf8(listed).map_err(|error| error.to_string())?;
        let (mut hasher, mut kept) = (DefaultHasher::new(), BTreeSet::new());
        for file in listed.split_terminator('\0').chain([".env"]) {
            let (from, to) = (root.join(file), path.join(file));
            let Ok(text) = fs::read(&from) else { continue };
            (file, &text).hash(&mut hasher);
            kept.insert(to.clone());
            // An unchanged file keeps its time, and what was built from it stays good.
            if fs::read(&to).is_ok_and(|old| old == text) {
                continue;
            }
            let folder = to.parent().unwrap_or(&path);
            let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(&from, &to));
            copied.map_err(|error| format!("cannot copy {file}: {error}"))?;
        }
        keep_only(&path, &kept).map_err(|error| format!("cannot tidy the copy: {error}"))?;
        Ok(Self {
            path,
            fingerprint: format!("{:016x}", hasher.finish()),
            has_tests: Cell::new(false),
        })
    }

    /// Returns its root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a number that other files would not have.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the path of the file of results.
    pub fn results(&self) -> PathBuf {
        self.path.with_file_name("results")
    }

    /// Replaces a file's text until the returned value is dropped.
    pub fn change(&self, file: &str, text: &str) -> Result<Changed, String> {
        let path = self.path.join(file);
        let original = fs::read(&path).map_err(|error| format!("cannot read {file}: {error}"))?;
        let changed = Changed { path, original };
        fs::write(&changed.path, text).map_err(|error| format!("cannot write {file}: {error}"))?;
        Ok(changed)
    }

    /// Prepares for a command on the unchanged tree: builds the tests of `tests/main.rs` once, and keeps
    /// them, if they are to be run with a changed `warren`.
    ///
    /// # Errors
    /// They do not build.
    pub fn prepare(&self, command: &str) -> Result<(), String> {
        if command.contains(WITH_WARREN) && !self.has_tests.replace(true) {
            self.keep_tests()?;
        }
        Ok(())
    }

    fn keep_tests(&self) -> Result<(), String> {
        let mut build = self.cargo("test");
        build.args(["--test", "warren", "--no-run", "--message-format=json"]);
        let output = output(&mut build)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let built = said.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let is_it = message["target"]["name"] == "warren" && message["profile"]["test"] == true;
            let path = is_it.then(|| message["executable"].as_str())??;
            Some(path.to_owned())
        });
        let built = built.ok_or_else(|| {
            format!(
                "the tests do not build: {}",
                tail(&String::from_utf8_lossy(&output.stderr))
            )
        })?;
        fs::copy(&built, self.kept_tests())
            .map(drop)
            .map_err(|error| format!("cannot copy {built}: {error}"))
    }

    fn kept_tests(&self) -> PathBuf {
        self.path.with_file_name("tests")
    }

    /// Runs a command of the list.
    pub fn test(&self, command: &str) -> Result<Verdict, String> {
        let mut variables = Vec::new();
        let mut rest = command;
        while let Some((word, after)) = rest.split_once(' ')
            && let Some((name, value)) = word.split_once('=')
        {
            variables.push((name, value));
            rest = after;
        }
        let mut test = match rest.strip_prefix(WITH_WARREN) {
            None => {
                let mut test = self.cargo("test");
                test.args(rest.split_whitespace());
                test
            }
            Some(filters) => {
                // Beside a test, so that dependencies have the features that they have in tests.
                let mut build = self.cargo("build");
                let output = output(build.args(["--bin", "warren", "--test", "mutations"]))?;
                if !output.status.success() {
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    return Ok(Verdict::Unclear(tail(&said)));
                }
                let mut test = self.bounded(&self.kept_tests());
                test.args(filters.split_whitespace());
                test
            }
        };
        let output = output(test.envs(variables))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let ran = |word: &str| said.lines().any(|line| line.starts_with(word));
        Ok(match output.status.code() {
            Some(0)
                if said
                    .lines()
                    .any(|line| line.starts_with("running ") && !line.contains(" 0 ")) =>
            {
                Verdict::Green
            }
            Some(0) => Verdict::Unclear("no test has that name".to_owned()),
            _ if ran("test result: FAILED") => Verdict::Red,
            code => Verdict::Unclear(format!("{code:?}: {}", tail(&said))),
        })
    }

    fn cargo(&self, command: &str) -> Command {
        let mut cargo = self.bounded(Path::new("cargo"));
        cargo
            .args([command, "--locked"])
            .env("CARGO_TARGET_DIR", self.path.with_file_name("target"))
            // Nobody debugs these: what is smaller is linked sooner.
            .env("CARGO_PROFILE_DEV_DEBUG", "none");
        cargo
    }

    /// Makes a command in the copy that is ended after the bound.
    fn bounded(&self, program: &Path) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg(COMMAND_SECONDS)
            .arg(program)
            .current_dir(&self.path)
            .stdin(Stdio::null());
        command
    }
}

fn output(command: &mut Command) -> Result<Output, String> {
    let output = command.output();
    output.map_err(|error| format!("cannot run {command:?}: {error}"))
}

/// Removes the files below a folder that are none of these: an earlier tree's.
fn keep_only(folder: &Path, kept: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            keep_only(&entry.path(), kept)?;
        } else if !kept.contains(&entry.path()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A changed file: dropping it restores the file.
pub struct Changed {
    path: PathBuf,
    original: Vec<u8>,
}

impl Drop for Changed {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.path, &self.original) {
            eprintln!(
                "cannot restore {}: {error}; the next run copies it again",
                self.path.display()
            );
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(12)..].join(" | ")
}
