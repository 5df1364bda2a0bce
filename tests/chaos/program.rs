//! Programs with output of their own, and the expected answer to each.
//!
//! No other program prints what one of them computes.

use serde_json::{Value, json};

/// The part of its five seconds that a job has used if not all its cases were run.
const MOST_OF_ITS_TIME_MS: f64 = 3_500.0;
/// The share of CPU time in running time below which a program was starved. One that was stopped at
/// its time limit with less than this (half of its share) was kept waiting by the machine.
const STARVED: f64 = 0.25;

/// A program and its verdict.
#[derive(Clone, Debug)]
pub struct Program {
    /// The submission.
    pub submission: Value,
    /// The expected answer, whenever it is run.
    pub expected: Expected,
}

/// The expected content of the answer to a program.
#[derive(Clone, Debug)]
pub struct Expected {
    status: &'static str,
    stdout: String,
    exit_code: i64,
    cases: Vec<(bool, String)>,
}

/// A program whose output no other has: it prints a number that no other program of the run is
/// given.
const PYTHON: &str = "\
n, rounds = map(int, input().split())
x = n
for _ in range(rounds):
    x = (x * 1103515245 + 12345) % 2147483648
print('token', n, x)
";
const JAVASCRIPT: &str = "\
let text = '';
process.stdin.on('data', (piece) => { text += piece; });
process.stdin.on('end', () => {
  const [n, rounds] = text.trim().split(' ').map(Number);
  let x = BigInt(n);
  for (let i = 0; i < rounds; i += 1) x = (x * 1103515245n + 12345n) % 2147483648n;
  console.log('token', n, String(x));
});
";

impl Program {
    /// Returns the `n`th program of a run, of a random kind.
    pub fn random(n: u32, random: &mut fastrand::Rng) -> Self {
        let rounds = random.u32(10..2_000);
        let (language, code) = if random.bool() {
            ("python", PYTHON)
        } else {
            ("javascript", JAVASCRIPT)
        };
        match random.u8(0..10) {
            0 | 1 => Self::with_cases(language, code, n, random.bool()),
            2 => Self::failing(n, rounds),
            3 | 4 => Self::sleeping(n, rounds, random.u32(50..1_000)),
            _ => Self::plain(language, code, n, rounds),
        }
    }

    /// Returns a program that does next to nothing.
    pub fn trivial(n: u32) -> Self {
        Self::plain("python", PYTHON, n, 1)
    }

    fn plain(language: &str, code: &str, n: u32, rounds: u32) -> Self {
        let input = format!("{n} {rounds}");
        Self {
            submission: json!({ "language": language, "code": code, "input": input }),
            expected: Expected {
                status: "completed",
                stdout: token(n, rounds),
                exit_code: 0,
                cases: Vec::new(),
            },
        }
    }

    fn sleeping(n: u32, rounds: u32, millis: u32) -> Self {
        let nap = format!("import time\ntime.sleep({millis} / 1000)\n");
        Self::plain("python", &format!("{nap}{PYTHON}"), n, rounds)
    }

    fn failing(n: u32, rounds: u32) -> Self {
        let program = Self::plain(
            "python",
            &format!("{PYTHON}raise SystemExit(7)\n"),
            n,
            rounds,
        );
        Self {
            expected: Expected {
                status: "runtime_error",
                exit_code: 7,
                ..program.expected
            },
            ..program
        }
    }

    /// Makes a program with two cases, the second of which may expect what the program does not
    /// print.
    fn with_cases(language: &str, code: &str, n: u32, right: bool) -> Self {
        let printed = [token(n, 10), token(n, 20)];
        let second = if right { &printed[1] } else { "something else" };
        let cases = json!([
            { "input": format!("{n} 10"), "expectedOutput": printed[0] },
            { "input": format!("{n} 20"), "expectedOutput": second },
        ]);
        // The output of the first failing case, else of the first.
        let stdout = printed[usize::from(!right)].clone();
        let [first, last] = printed;
        Self {
            submission: json!({ "language": language, "code": code, "testCases": cases }),
            expected: Expected {
                status: if right { "completed" } else { "wrong_answer" },
                stdout,
                exit_code: 0,
                cases: vec![(true, first), (right, last)],
            },
        }
    }
}

impl Expected {
    /// Returns what is wrong with an answer (the body of a 200, or the `result` of a record), if
    /// anything. A job that was begun late, for example after the death of its first worker, may
    /// end before all its cases were run. Those cases are marked, and the others are right.
    pub fn fault_of(&self, answer: &Value) -> Option<String> {
        let timings = &answer["timings"];
        let spent: f64 = ["queueMs", "sandboxMs", "runMs"]
            .iter()
            .filter_map(|part| timings[part].as_f64())
            .sum();
        if answer["status"] == "not_run" && spent > MOST_OF_ITS_TIME_MS {
            let results = answer["testResults"].as_array();
            let results = results.map_or(&[][..], Vec::as_slice);
            let fair = results.len() == self.cases.len()
                && results.iter().zip(&self.cases).all(|(case, right)| {
                    case["status"] == "not_run" || Self::is_right(case, right)
                });
            return (!fair).then(|| format!("testResults are {results:?}"));
        }
        if answer["status"] == "time_limit_exceeded" && Self::was_starved(answer) {
            return None;
        }
        self.fault_of_whole(answer)
    }

    fn was_starved(answer: &Value) -> bool {
        let [wall, cpu] = ["durationMs", "cpuMs"].map(|field| answer[field].as_f64());
        wall.zip(cpu)
            .is_some_and(|(wall, cpu)| cpu < wall * STARVED)
    }

    fn is_right(case: &Value, right: &(bool, String)) -> bool {
        case["passed"] == right.0 && case["actualOutput"] == right.1.as_str()
    }

    fn fault_of_whole(&self, answer: &Value) -> Option<String> {
        let told = |field: &str, right: Value| {
            (answer[field] != right).then(|| format!("{field} is {}, not {right}", answer[field]))
        };
        told("status", self.status.into())
            .or_else(|| told("success", (self.status == "completed").into()))
            .or_else(|| told("stdout", self.stdout.as_str().into()))
            .or_else(|| told("exitCode", self.exit_code.into()))
            .or_else(|| {
                let results = answer["testResults"].as_array();
                let results = results.map_or(&[][..], Vec::as_slice);
                let same = results.len() == self.cases.len()
                    && results
                        .iter()
                        .zip(&self.cases)
                        .all(|(case, right)| Self::is_right(case, right));
                (!same).then(|| format!("testResults are {results:?}, not {:?}", self.cases))
            })
    }
}

fn token(n: u32, rounds: u32) -> String {
    let step = |x: u64, _| (x * 1_103_515_245 + 12_345) % 2_147_483_648;
    format!("token {n} {}\n", (0..rounds).fold(u64::from(n), step))
}
