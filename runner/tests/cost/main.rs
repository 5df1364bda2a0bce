//! Measures the CPU time that PID 1 takes: a program under it, and alone.
//!
//! `cargo test -p warren-runner --test cost -- [RUNNER...]`, as root. Each round runs the program alone
//! and once under every runner, this one and those named (older builds, say), so that other load meets
//! all alike. No limit and no engine is part of it: only a process namespace, whose PID 1 is measured.
//! `ROUNDS` (200) and `CASES` (1, the runs of one job) are variables.

#[path = "../container/harness/build.rs"]
mod build;
mod namespace;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use warren_runner::wire::{
    Command, Ending, Execute, Exit, FromRunner, HEAD, Pace, Start, ToRunner, body_len, decode,
    encode,
};

use self::namespace::{Born, bear, enter};

/// The program: it does nothing, so that PID 1's share is as large as it can be.
const PROGRAM: &str = "/bin/true";

/// One thing that is measured.
struct Subject {
    name: String,
    /// The runner; `None` for the program alone.
    runner: Option<PathBuf>,
    /// Each round's CPU time in microseconds, and its page faults.
    rounds: Vec<(u64, u64)>,
}

fn main() {
    let number = |name, usual| std::env::var(name).map_or(usual, |it| it.parse().unwrap());
    let (rounds, cases) = (number("ROUNDS", 200), number("CASES", 1));
    let mut runners = vec![build::static_runner().to_owned()];
    runners.extend(
        std::env::args()
            .skip(1)
            .filter(|it| !it.starts_with('-'))
            .map(PathBuf::from),
    );
    // Their copies are read by everybody, and lie where no other file system is mounted upon.
    enter(
        &[Path::new("/mnt"), Path::new("/tmp"), Path::new("/dev/shm")],
        || runners.iter().map(|path| fs::read(path).unwrap()).collect(),
    );
    let mut subjects = vec![Subject::new("alone".into(), None)];
    for (number, path) in runners.iter().enumerate() {
        let copy = PathBuf::from(format!("/mnt/{number}"));
        subjects.push(Subject::new(path.display().to_string(), Some(copy)));
    }
    // The first round finds nothing in the kernel's caches.
    for round in 0..=rounds {
        for subject in &mut subjects {
            let measured = subject.run(cases);
            if round > 0 {
                subject.rounds.push(measured);
            }
        }
    }
    println!("CPU of {cases} runs of {PROGRAM}, {rounds} rounds, in microseconds:");
    println!(
        "{:>7} {:>7} {:>7} {:>7}  of",
        "p10", "p50", "mean", "faults"
    );
    for subject in &mut subjects {
        println!("{}", subject.line());
    }
}

impl Subject {
    fn new(name: String, runner: Option<PathBuf>) -> Self {
        Self {
            name,
            runner,
            rounds: Vec::new(),
        }
    }

    /// Runs it once, from its first instruction to its end.
    fn run(&self, cases: usize) -> (u64, u64) {
        let Some(runner) = &self.runner else {
            return (0..cases)
                .map(|_| bear(PROGRAM, &[PROGRAM]).ended())
                .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        };
        let runner = runner.to_str().unwrap();
        let mut pid_1 = bear(runner, &["/.warren/runner", "--max-life", "60"]);
        assert!(matches!(next(&mut pid_1), FromRunner::Ready { .. }));
        let job = encode(&ToRunner::Execute(job(cases))).unwrap();
        pid_1.input.write_all(&job).unwrap();
        for _ in 0..cases {
            let FromRunner::Finished(report) = next(&mut pid_1) else {
                panic!("no report");
            };
            assert_eq!(report.ending, Ending::Ended(Exit::Status(0)));
        }
        assert_eq!(next(&mut pid_1), FromRunner::Done);
        pid_1.ended()
    }

    fn line(&mut self) -> String {
        self.rounds.sort_unstable();
        let all = &self.rounds;
        let at = |part: usize| all[all.len() * part / 100].0;
        let count = all.len() as u64;
        let mean = all.iter().map(|round| round.0).sum::<u64>() / count;
        let faults = all.iter().map(|round| round.1).sum::<u64>() / count;
        let (low, middle) = (at(10), at(50));
        format!("{low:>7} {middle:>7} {mean:>7} {faults:>7}  {}", self.name)
    }
}

fn job(cases: usize) -> Execute {
    Execute {
        command: Command {
            args: vec![PROGRAM.to_owned()],
            file_name: "main.py".to_owned(),
            pipe_size: 1024 * 1024,
        },
        start: Start::Fresh,
        pace: Pace::Through,
        code: b"print('hello')\n".to_vec(),
        inputs: vec![Vec::new(); cases],
        time_limit: Duration::from_secs(10),
        budget: Duration::from_secs(60),
        output_kept: 64 * 1024,
        output_flood: 1024 * 1024,
    }
}

fn next(pid_1: &mut Born) -> FromRunner {
    let mut head = [0; HEAD];
    pid_1.output.read_exact(&mut head).unwrap();
    let mut body = vec![0; body_len(head).unwrap()];
    pid_1.output.read_exact(&mut body).unwrap();
    decode(&body).unwrap()
}
