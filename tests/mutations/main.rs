//! Takes out each hardening in turn, and demands that a test fails for it.
//!
//! `make soak-mutations` runs it; arguments are parts of the names of those to run. It works in a copy
//! of the tree, so nothing here changes while it runs, and it can be stopped at any time.

mod list;
mod tree;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use list::Mutation;
use tree::{Tree, Verdict};

/// The bound on the whole run. What was not run by then counts as a failure.
const LIMIT: Duration = Duration::from_hours(5);

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    match run(&wanted) {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            eprintln!("\nnot caught:\n  {}", faults.join("\n  "));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("cannot run the mutations: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the mutations whose names hold one of `wanted`, or all. Returns those that no test noticed.
fn run(wanted: &[String]) -> Result<Vec<String>, String> {
    let started = Instant::now();
    let tree = Tree::copy()?;
    let mut all = list::mutations(tree.path())?;
    all.retain(|one| {
        wanted.is_empty() || wanted.iter().any(|part| one.name.contains(part.as_str()))
    });
    println!("{} mutations", all.len());
    baseline(&tree, &all)?;
    let mut faults = Vec::new();
    for (number, mutation) in all.iter().enumerate() {
        let begun = Instant::now();
        let result = if started.elapsed() < LIMIT {
            caught(&tree, mutation)?
        } else {
            Err(format!("not run within {} s", LIMIT.as_secs()))
        };
        let word = if result.is_ok() { "caught" } else { "SURVIVED" };
        println!(
            "{:4}/{} {word:8} {:4} s  {}",
            number + 1,
            all.len(),
            begun.elapsed().as_secs(),
            mutation.name
        );
        if let Err(reason) = result {
            faults.push(format!("{}: {reason}", mutation.name));
        }
    }
    Ok(faults)
}

/// Runs every command on the unchanged tree: only a test that passes there can notice anything.
fn baseline(tree: &Tree, all: &[Mutation]) -> Result<(), String> {
    let mut commands: Vec<&String> = all.iter().flat_map(|one| &one.tests).collect();
    commands.sort();
    commands.dedup();
    for command in commands {
        match tree.test(command)? {
            Verdict::Green => {}
            Verdict::Red => return Err(format!("cargo test {command} fails without any mutation")),
            Verdict::Unclear(why) => {
                return Err(format!("cargo test {command} does not run: {why}"));
            }
        }
    }
    Ok(())
}

/// Applies the mutation, runs its tests until one fails, and takes it back.
fn caught(tree: &Tree, mutation: &Mutation) -> Result<Result<(), String>, String> {
    let _changed = tree.change(&mutation.file, &mutation.text)?;
    for command in &mutation.tests {
        match tree.test(command)? {
            Verdict::Red => return Ok(Ok(())),
            Verdict::Green => {}
            Verdict::Unclear(why) => {
                return Ok(Err(format!("cargo test {command} does not run: {why}")));
            }
        }
    }
    Ok(Err("no test failed".to_owned()))
}
