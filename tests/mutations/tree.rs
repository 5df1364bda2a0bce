//! A copy of the repository, in which one file at a time is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The bound on one command, in seconds, compilation included.
const COMMAND_SECONDS: &str = "900";

/// The copy, at the same place in every run, so that its builds are reused.
pub struct Tree {
    path: PathBuf,
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
    /// Copies the tracked files.
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
        for file in listed.split_terminator('\0').chain([".env"]) {
            let (from, to) = (root.join(file), path.join(file));
            let Ok(text) = fs::read(&from) else { continue };
            // An unchanged file keeps its time, and what was built from it stays good.
            if fs::read(&to).is_ok_and(|old| old == text) {
                continue;
            }
            let folder = to.parent().unwrap_or(&path);
            let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(&from, &to));
            copied.map_err(|error| format!("cannot copy {file}: {error}"))?;
        }
        Ok(Self { path })
    }

    /// Returns its root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces a file's text until the returned value is dropped.
    pub fn change(&self, file: &str, text: &str) -> Result<Changed, String> {
        let path = self.path.join(file);
        let original = fs::read(&path).map_err(|error| format!("cannot read {file}: {error}"))?;
        let changed = Changed { path, original };
        fs::write(&changed.path, text).map_err(|error| format!("cannot write {file}: {error}"))?;
        Ok(changed)
    }

    /// Runs `cargo test` with these arguments.
    pub fn test(&self, arguments: &str) -> Result<Verdict, String> {
        let output = Command::new("timeout")
            .args([COMMAND_SECONDS, "cargo", "test", "--locked"])
            .args(arguments.split_whitespace())
            .current_dir(&self.path)
            .env("CARGO_TARGET_DIR", self.path.with_file_name("target"))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run cargo: {error}"))?;
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
