//! Checks that no byte of output is lost, invented or moved.
//!
//! It holds however much there is and however suddenly its program ends. 1,000 runs; `make soak` does
//! 100,000.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use warren_runner::wire::{Command, Ending, Execute, Exit, Pace, RunReport, Start, ToRunner};

use crate::harness::{Container, Image, Job, at_once, javascript, python};

/// Containers at a time.
const AT_A_TIME: usize = 4;

/// Runs in one container, each a fresh process.
const BATCH: usize = 100;

/// Bytes kept of each stream: the cap of the contract.
const KEPT: usize = 64 * 1024;

/// The largest output: over the cap, and under the flood mark.
const LONGEST: usize = 3 * KEPT;

/// The longest time for all runs: for the 100,000 on a busy machine.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// A program that reads two lengths, prints as many bytes to its two streams, and exits.
#[derive(Clone, Copy, Debug)]
enum Printer {
    /// The fastest to start, for cases where only the pipe matters.
    Shell,
    /// Prints in two writes, of which the first is small and may be read by itself.
    Python,
    JavaScript,
}

impl Printer {
    /// Returns the printer of a batch. Of 25 batches 20 are the shell's, 4 Python's and one
    /// JavaScript's, because of what their starts cost.
    fn of_batch(number: usize) -> Self {
        match number % 25 {
            7 => Self::JavaScript,
            2 | 9 | 14 | 21 => Self::Python,
            _ => Self::Shell,
        }
    }

    fn job(self) -> (Image, Job) {
        match self {
            Self::Shell => (Image::Python, shell()),
            Self::Python => (
                Image::Python,
                python(
                    "import os\nout, err = map(int, input().split())\nall = bytes(range(251)) * 800\n\
                     os.write(1, all[:out % 7]); os.write(1, all[out % 7:out])\n\
                     os.write(2, all[:err]); os._exit(0)",
                ),
            ),
            Self::JavaScript => (
                Image::JavaScript,
                javascript(
                    "const fs = require('fs');\n\
                     const [out, err] = fs.readFileSync(0, 'utf8').split(' ').map(Number);\n\
                     const all = Buffer.from(Array.from({ length: 200800 }, (_, n) => n % 251));\n\
                     process.stdout.write(all.subarray(0, out)); process.stderr.write(all.subarray(0, err));\n\
                     process.exit(0);",
                ),
            ),
        }
    }

    /// Returns what it prints for this length.
    fn prints(self, length: usize) -> Vec<u8> {
        match self {
            Self::Shell => vec![b'0'; length],
            Self::Python | Self::JavaScript => (0..=250).cycle().take(length).collect(),
        }
    }
}

fn shell() -> Job {
    let command = Command {
        args: vec!["sh".to_owned(), "main.sh".to_owned()],
        file_name: "main.sh".to_owned(),
        pipe_size: 1024 * 1024,
    };
    let code = "read out err\n[ $out = 0 ] || printf \"%0${out}d\" 0\n\
        [ $err = 0 ] || printf \"%0${err}d\" 0 >&2\n";
    Job {
        execute: Execute {
            command,
            start: Start::Fresh,
            pace: Pace::Through,
            code: code.into(),
            inputs: Vec::new(),
            time_limit: Duration::from_secs(20),
            budget: Duration::from_secs(600),
            output_kept: KEPT as u64,
            output_flood: 1024 * 1024,
        },
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }

    /// Returns a length: often near the cap or a pipe's page, or zero.
    fn length(&mut self) -> usize {
        let near = 9;
        match self.below(6) {
            0 => KEPT - near / 2 + self.below(near),
            1 => 4096 - near / 2 + self.below(near),
            2 => self.below(3),
            3 => self.below(LONGEST),
            _ => self.below(KEPT),
        }
    }
}

/// Finds the fault of a report on that many bytes.
fn complaint(printer: Printer, lengths: (usize, usize), report: &RunReport) -> Option<String> {
    let streams = [(lengths.0, &report.stdout), (lengths.1, &report.stderr)];
    let exact = streams.into_iter().all(|(length, stream)| {
        stream.bytes == printer.prints(length.min(KEPT)) && stream.truncated == (length > KEPT)
    });
    let right = exact && report.ending == Ending::Ended(Exit::Status(0));
    (!right).then(|| {
        format!(
            "{printer:?} printed {lengths:?}: {:?}, {} and {} bytes",
            report.ending,
            report.stdout.bytes.len(),
            report.stderr.bytes.len()
        )
    })
}

/// Runs one container's share, and returns the complaints.
fn check(number: usize) -> Vec<String> {
    let printer = Printer::of_batch(number);
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1));
    let lengths: Vec<_> = (0..BATCH)
        .map(|_| (numbers.length(), numbers.length()))
        .collect();
    let (image, mut job) = printer.job();
    job.execute.inputs = lengths
        .iter()
        .map(|(out, err)| format!("{out} {err}\n").into_bytes())
        .collect();
    let job = job
        .time_limit(Duration::from_secs(20))
        .budget(Duration::from_secs(600));
    let mut container = Container::start_for(image, Duration::from_secs(900));
    container.send(&ToRunner::Execute(job.execute));
    lengths
        .iter()
        .filter_map(|lengths| complaint(printer, *lengths, &container.finished()))
        .collect()
}

#[test]
fn no_output_is_ever_missing_its_tail() {
    let runs: usize = std::env::var("WARREN_SOAK_RUNS").map_or(1000, |runs| runs.parse().unwrap());
    let begun = Instant::now();
    let progress = Mutex::new((0, begun));
    let batches: Vec<usize> = (0..runs.div_ceil(BATCH)).collect();
    let complaints = at_once(AT_A_TIME, &batches, |number| {
        if begun.elapsed() > PATIENCE {
            return vec![format!("{PATIENCE:?} were over before batch {number}")];
        }
        let complaints = check(*number);
        let (done, said) = &mut *progress.lock().unwrap();
        *done += BATCH;
        if said.elapsed() > Duration::from_secs(60) {
            *said = Instant::now();
            println!("{done} of {runs} runs after {:?}", begun.elapsed());
        }
        complaints
    })
    .concat();
    println!("{runs} runs in {:?}", begun.elapsed());
    assert!(
        complaints.is_empty(),
        "{}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
