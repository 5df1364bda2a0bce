//! The file of results, by which an interrupted run can be continued.
//!
//! Its first line names the tree; each further line is a command that is green without a mutation, or
//! a mutation that was caught. So it has at most as many lines as the list has entries.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// A line of the file.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// The command passes on the unchanged tree.
    Green(&'a str),
    /// A test failed for the mutation of this name.
    Caught(&'a str),
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Green(command) => write!(f, "green {command}"),
            Self::Caught(name) => write!(f, "caught {name}"),
        }
    }
}

/// Where a run begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With nothing shown.
    Anew,
    /// With what the last run on the same tree has shown.
    WhereItWasLeft,
}

/// What this run and those that it continues have shown.
pub struct Results {
    file: File,
    shown: BTreeSet<String>,
}

impl Results {
    /// Opens the file for a tree.
    ///
    /// # Errors
    /// It cannot be written, or it is of another tree and the run is to be continued.
    pub fn open(path: &Path, tree: &str, begin: Begin) -> Result<Self, String> {
        let first = format!("tree {tree}");
        let mut shown = BTreeSet::new();
        if begin == Begin::WhereItWasLeft {
            let text = fs::read_to_string(path).unwrap_or_default();
            let mut lines = text.lines();
            if lines.next() != Some(first.as_str()) {
                return Err(format!(
                    "{} is not of this tree, which has changed since; run without --continue",
                    path.display()
                ));
            }
            shown.extend(lines.map(str::to_owned));
        }
        let begun = File::create(path).and_then(|mut file| {
            writeln!(file, "{first}")?;
            for line in &shown {
                writeln!(file, "{line}")?;
            }
            Ok(file)
        });
        let file = begun.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Self { file, shown })
    }

    /// Returns whether it was shown.
    pub fn have(&self, what: Shown<'_>) -> bool {
        self.shown.contains(&what.to_string())
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, what: Shown<'_>) -> Result<(), String> {
        let line = what.to_string();
        writeln!(self.file, "{line}").map_err(|error| format!("cannot write a result: {error}"))?;
        self.shown.insert(line);
        Ok(())
    }
}
