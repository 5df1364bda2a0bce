//! Takes out each hardening in turn, and demands that a test fails for it.
//!
//! `make soak-mutations` runs it; arguments are parts of the names of those to run, `--list` only names
//! them, `--continue` leaves out what the last run has shown. It works in a copy of the tree, so nothing
//! here changes while it runs, and it can be stopped at any time.

mod list;
mod results;
mod totals;
mod tree;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use list::Mutation;
use results::{Begin, Results, Shown};
use totals::Totals;
use tree::{Tree, Verdict};

/// The bound on the whole run. What was not run by then counts as a failure.
const LIMIT: Duration = Duration::from_hours(5);

/// What the arguments ask for.
struct Wanted {
    begin: Begin,
    is_list: bool,
    /// Parts of names; none stands for all.
    parts: Vec<String>,
}

impl Wanted {
    fn of(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self {
            begin: Begin::Anew,
            is_list: false,
            parts: Vec::new(),
        };
        for argument in arguments {
            match argument.as_str() {
                "--continue" => wanted.begin = Begin::WhereItWasLeft,
                "--list" => wanted.is_list = true,
                option if option.starts_with('-') => {
                    return Err(format!("{option} is no option: --list, --continue"));
                }
                _ => wanted.parts.push(argument),
            }
        }
        Ok(wanted)
    }

    /// Returns the mutations that are asked for.
    fn of_list(&self, root: &Path) -> Result<Vec<Mutation>, String> {
        let mut all = list::mutations(root)?;
        all.retain(|one| {
            self.parts.is_empty() || self.parts.iter().any(|part| one.name.contains(part))
        });
        Ok(all)
    }
}

fn main() -> ExitCode {
    match Wanted::of(std::env::args().skip(1)).and_then(|wanted| run(&wanted)) {
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

/// Runs the mutations that are asked for. Returns those that no test noticed.
fn run(wanted: &Wanted) -> Result<Vec<String>, String> {
    if wanted.is_list {
        for one in wanted.of_list(Path::new(env!("CARGO_MANIFEST_DIR")))? {
            println!("{}\n    {}", one.name, one.tests.join("\n    "));
        }
        return Ok(Vec::new());
    }
    let started = Instant::now();
    let tree = Tree::copy()?;
    let all = wanted.of_list(tree.path())?;
    let mut results = Results::open(&tree.results(), tree.fingerprint(), wanted.begin)?;
    let left = |one: &&Mutation| !results.have(Shown::Caught(&one.name));
    let left: Vec<&Mutation> = all.iter().filter(left).collect();
    println!(
        "{} mutations, {} of them caught before",
        all.len(),
        all.len() - left.len()
    );
    let (mut faults, mut totals) = (Vec::new(), Totals::default());
    for (number, mutation) in left.iter().enumerate() {
        let begun = Instant::now();
        let result = if started.elapsed() < LIMIT {
            caught(&tree, mutation, &mut results)?
        } else {
            Err(format!("not run within {} s", LIMIT.as_secs()))
        };
        totals.add(&mutation.wall, result.is_ok(), begun.elapsed());
        let (word, by) = match &result {
            Ok(by) => ("caught", format!("  ({by})")),
            Err(_) => ("SURVIVED", String::new()),
        };
        println!(
            "{:4}/{} {word:8} {:4} s  {}{by}",
            number + 1,
            left.len(),
            begun.elapsed().as_secs(),
            mutation.name
        );
        match result {
            Ok(_) => results.add(Shown::Caught(&mutation.name))?,
            Err(reason) => faults.push(format!("{}: {reason}", mutation.name)),
        }
    }
    println!("\n{totals}in all {} s", started.elapsed().as_secs());
    Ok(faults)
}

/// Applies the mutation, runs its tests until one fails, and takes it back. Returns the command that
/// failed; an error, if none did.
fn caught<'a>(
    tree: &Tree,
    mutation: &'a Mutation,
    results: &mut Results,
) -> Result<Result<&'a str, String>, String> {
    for command in &mutation.tests {
        baseline(tree, command, results)?;
        let _changed = tree.change(&mutation.file, &mutation.text)?;
        match tree.test(command)? {
            Verdict::Red => return Ok(Ok(command)),
            Verdict::Green => {}
            Verdict::Unclear(why) => return Ok(Err(format!("{command} does not run: {why}"))),
        }
    }
    Ok(Err("no test failed".to_owned()))
}

/// Runs a command on the unchanged tree, once: only a test that passes there can notice anything.
fn baseline(tree: &Tree, command: &str, results: &mut Results) -> Result<(), String> {
    let begun = Instant::now();
    tree.prepare(command)?;
    if results.have(Shown::Green(command)) {
        return Ok(());
    }
    let why = match tree.test(command)? {
        Verdict::Green => {
            let took = begun.elapsed().as_secs();
            println!("          passes   {took:4} s  {command}");
            return results.add(Shown::Green(command));
        }
        Verdict::Red => "a test fails".to_owned(),
        Verdict::Unclear(why) => why,
    };
    Err(format!(
        "{command} does not pass without any mutation: {why}"
    ))
}
