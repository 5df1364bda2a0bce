//! Compares programs run plainly with the same programs in a parked interpreter.
//!
//! No program of `tests/corpus/differential` may be able to tell the difference, nor may any reader
//! of its output, errors and exit status.

use std::path::{Path, PathBuf};

use warren_runner::wire::{Ending, Exit, Start};

use crate::harness::{
    Container, Image, Job, Plain, Seen, at_once, javascript, programs, python, run_plainly,
};

/// Containers at a time.
const AT_A_TIME: usize = 4;

/// Programs that are run plainly in one container.
const PLAIN_BATCH: usize = 24;

/// Our command for Python has `-u`: a program that is stopped at a limit shows its output so far.
/// These are the programs that are meant to notice that; they are compared with
/// `python3 -u main.py`, all others with `python3 main.py`.
const NOTICE_UNBUFFERED: &[&str] = &[
    // Buffered output is lost here; without a buffer none is.
    "exits_without_flushing.py",
    "kills_itself_with_output_unflushed.py",
    // The child has a copy of the buffer.
    "child_by_fork_with_output_unflushed.py",
    // The write itself fails, not the one at exit.
    "output_after_its_descriptor_is_closed.py",
    // They look at the command line or at the buffers themselves.
    "flags.py",
    "type_of_the_streams.py",
];

/// Through the FIFO Python can only read UTF-8, and only if the program declares it by that name.
/// `park_unless` of its language tells the worker so, which asks for a fresh interpreter for these.
const NOT_THROUGH_THE_FIFO: &[&str] = &[
    "cookie_of_ascii_with_other_bytes.py",
    "cookie_of_cp1252_with_input.py",
    "cookie_of_latin_1.py",
    "cookie_of_latin_1_in_line_2.py",
    "cookie_of_utf_16.py",
    "cookie_of_utf_8_by_another_name.py",
    "cookie_unknown.py",
];

/// Node's own warning about these shows the process id, which differs in every run. None of their
/// own lines runs, so they cannot hide it.
const SHOW_THEIR_PID: &[&str] = &["import_statement.js", "export_statement.js"];

struct Program {
    name: String,
    code: Vec<u8>,
    input: Vec<u8>,
    image: Image,
}

impl Program {
    /// Returns all programs of a language, or those named in `WARREN_DIFFERENTIAL` if it is set.
    fn all(image: Image) -> Vec<Self> {
        let (folder, extension) = match image {
            Image::Python => ("differential/python", "py"),
            Image::JavaScript => ("differential/javascript", "js"),
        };
        let paths = programs(folder, extension, "WARREN_DIFFERENTIAL");
        let read = |path: PathBuf| Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            code: std::fs::read(&path).unwrap(),
            input: std::fs::read(path.with_extension("in")).unwrap_or_default(),
            image,
        };
        paths.into_iter().map(read).collect()
    }

    fn plain(&self) -> Plain<'_> {
        let (command, file_name): (&[&str], _) = match self.image {
            Image::JavaScript => (&["node", "main.js"], "main.js"),
            Image::Python if NOTICE_UNBUFFERED.contains(&self.name.as_str()) => {
                (&["python3", "-u", "main.py"], "main.py")
            }
            Image::Python => (&["python3", "main.py"], "main.py"),
        };
        Plain {
            command,
            file_name,
            code: &self.code,
            input: &self.input,
        }
    }

    fn job(&self) -> Job {
        let mut job = match self.image {
            Image::Python => python(""),
            Image::JavaScript => javascript(""),
        };
        if self.image == Image::Python {
            job.execute.command.args.insert(1, "-u".to_owned());
        }
        job.execute.code.clone_from(&self.code);
        job.execute.inputs = vec![self.input.clone()];
        job.execute.start = if NOT_THROUGH_THE_FIFO.contains(&self.name.as_str()) {
            Start::Fresh
        } else {
            Start::Parked
        };
        job.execute.output_kept = 8 << 20;
        job.execute.output_flood = 16 << 20;
        // Enough for a busy machine: no program here takes long.
        job.time_limit(std::time::Duration::from_secs(20))
    }

    /// Runs it in a parked interpreter, and returns what is seen of it from outside.
    fn parked(&self) -> Result<Seen, String> {
        let job = self.job();
        let mut container = Container::start(self.image);
        container.park(&job);
        let report = container.run(job);
        let exit = match report.ending {
            Ending::Ended(Exit::Status(code)) => code,
            Ending::Ended(Exit::Signal(number)) => 128 + number,
            other => return Err(format!("{other:?}")),
        };
        Ok(Seen {
            exit,
            stdout: report.stdout.bytes,
            stderr: report.stderr.bytes,
        })
    }

    /// Returns how the two differ, if they do.
    fn complaint(&self, plain: &Seen) -> Option<String> {
        let parked = match self.parked() {
            Ok(parked) => parked,
            Err(ending) => return Some(format!("{}: {ending} when parked", self.name)),
        };
        let same = if SHOW_THEIR_PID.contains(&self.name.as_str()) {
            without_pid(&parked) == without_pid(plain)
        } else {
            parked == *plain
        };
        (!same).then(|| {
            format!(
                "{}\n  plain:  {}\n  parked: {}",
                self.name,
                shown(plain),
                shown(&parked)
            )
        })
    }
}

/// Returns what was seen, without the number in `(node:123) Warning`.
fn without_pid(seen: &Seen) -> Seen {
    let stderr = match seen.stderr.strip_prefix(b"(node:") {
        Some(rest) => rest
            .iter()
            .skip_while(|byte| byte.is_ascii_digit())
            .copied()
            .collect(),
        None => seen.stderr.clone(),
    };
    Seen {
        exit: seen.exit,
        stdout: seen.stdout.clone(),
        stderr,
    }
}

fn shown(seen: &Seen) -> String {
    let stream = |bytes: &[u8]| {
        let end = &bytes[bytes.len().saturating_sub(1500)..];
        format!("{} bytes, …{:?}", bytes.len(), String::from_utf8_lossy(end))
    };
    format!(
        "exit {}\n    stdout: {}\n    stderr: {}",
        seen.exit,
        stream(&seen.stdout),
        stream(&seen.stderr)
    )
}

fn compare(image: Image) {
    let programs = Program::all(image);
    let begun = std::time::Instant::now();
    let batches: Vec<&[Program]> = programs.chunks(PLAIN_BATCH).collect();
    let plain: Vec<Seen> = at_once(AT_A_TIME, &batches, |batch| {
        let plain: Vec<_> = batch.iter().map(Program::plain).collect();
        run_plainly(image, &plain)
    })
    .into_iter()
    .flatten()
    .collect();
    let plainly = begun.elapsed();
    let pairs: Vec<_> = programs.iter().zip(&plain).collect();
    let complaints: Vec<String> = at_once(AT_A_TIME, &pairs, |(program, plain)| {
        program.complaint(plain)
    })
    .into_iter()
    .flatten()
    .collect();
    println!(
        "{image:?}: {} programs, {plainly:?} plainly, {:?} parked",
        programs.len(),
        begun.elapsed() - plainly
    );
    assert!(
        complaints.is_empty(),
        "{} differ:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn python_programs_cannot_tell_that_their_interpreter_was_parked() {
    compare(Image::Python);
}

#[test]
fn javascript_programs_cannot_tell_that_their_interpreter_was_parked() {
    compare(Image::JavaScript);
}

#[test]
fn the_corpus_is_complete() {
    for image in [Image::Python, Image::JavaScript] {
        let programs = Program::all(image);
        let narrowed = std::env::var_os("WARREN_DIFFERENTIAL").is_some();
        assert!(narrowed || programs.len() >= 60, "{image:?}");
    }
    for name in NOTICE_UNBUFFERED.iter().chain(NOT_THROUGH_THE_FIFO) {
        let listed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/corpus/differential/python")
            .join(name);
        assert!(listed.exists(), "{name} is listed but missing");
    }
}
