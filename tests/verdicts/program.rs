//! A labelled program, with its expected answer in its first lines.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::corpus;
use crate::harness::http::{Answer, program};

/// The memory of a container, the most that any run may report.
const MEMORY_LIMIT: u64 = 256 << 20;

/// A program and one input of it.
#[derive(Clone)]
pub struct Labelled {
    path: String,
    code: String,
    /// The word of `inputs` that is this one's input.
    word: Option<String>,
}

impl Labelled {
    /// Reads all programs of both languages, once for each of their inputs. If `WARREN_LABELLED` is
    /// set, only those that it names.
    pub fn all() -> Vec<Self> {
        let only = std::env::var("WARREN_LABELLED").unwrap_or_default();
        let mut all = Vec::new();
        for language in ["python", "javascript"] {
            let folder = format!("verdicts/{language}");
            for name in file_names(&corpus::path_of(&folder)) {
                let path = format!("{folder}/{name}");
                if path.contains(&only) {
                    all.extend(Self::read(path));
                }
            }
        }
        all
    }

    fn read(path: String) -> Vec<Self> {
        let code = corpus::source(&path);
        let one = Self {
            path,
            code,
            word: None,
        };
        match one.says("inputs") {
            None => vec![one],
            Some(words) => words
                .split(' ')
                .map(|word| Self {
                    word: Some(word.to_owned()),
                    ..one.clone()
                })
                .collect(),
        }
    }

    /// Returns what it states under this key.
    fn says(&self, key: &str) -> Option<&str> {
        self.code
            .lines()
            .map_while(|line| line.strip_prefix("# ").or(line.strip_prefix("// ")))
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }

    /// Returns the same, where it is a JSON string.
    fn text(&self, key: &str) -> Option<String> {
        let value = self.says(key)?;
        Some(serde_json::from_str(value).unwrap_or_else(|error| {
            panic!("{}: {key}: {value} is no JSON string: {error}", self.path)
        }))
    }

    fn number(&self, key: &str) -> Option<u64> {
        let value = self.says(key)?;
        Some(
            value.parse().unwrap_or_else(|error| {
                panic!("{}: {key}: {value} is no number: {error}", self.path)
            }),
        )
    }

    /// Returns its file and its input, for people.
    pub fn name(&self) -> String {
        match &self.word {
            Some(word) => format!("{} ({word})", self.path),
            None => self.path.clone(),
        }
    }

    pub fn language(&self) -> &'static str {
        corpus::language(&self.path)
    }

    fn verdict(&self) -> &str {
        self.says("verdict")
            .unwrap_or_else(|| panic!("{} does not say its verdict", self.path))
    }

    /// Returns whether it takes all the time that it may.
    pub fn uses_up_its_time(&self) -> bool {
        self.verdict() == "time_limit_exceeded"
    }

    /// Returns whether it needs its share of a CPU to end as it states.
    pub fn needs_cpu(&self) -> bool {
        self.says("needs") == Some("cpu")
    }

    /// Returns whether the answer is a verdict. It is none if there was no time or no room for the
    /// program, or if the program was stopped at its time limit with less than half of its share of
    /// a CPU: that shows nothing about the program.
    pub fn is_judged(&self, answer: &Answer) -> bool {
        let (wall, cpu) = (&answer.body["durationMs"], &answer.body["cpuMs"]);
        let starved = !self.uses_up_its_time()
            && answer.text("status") == "time_limit_exceeded"
            && cpu.as_f64() < wall.as_f64().map(|wall| wall / 4.0);
        !starved && !matches!(answer.status, 429 | 503 | 504)
    }

    pub fn submission(&self) -> Value {
        let mut submission = program(self.language(), &self.code);
        let input = self.word.clone().or_else(|| self.text("input"));
        match self.text("expected") {
            Some(expected) => {
                submission["testCases"] =
                    json!([{"input": input.unwrap_or_default(), "expectedOutput": expected}]);
            }
            None => submission["input"] = json!(input),
        }
        submission
    }

    /// Returns the differences from what it states, if there are any.
    pub fn complaint(&self, answer: &Answer) -> Option<String> {
        let faults = self.faults(answer);
        (!faults.is_empty()).then(|| {
            let body = answer.body.to_string();
            let (start, end) = (clip(&body, 900), clip_end(&body, 500));
            format!(
                "{}: {}\n  {} {start} … {end}",
                self.name(),
                faults.join("; "),
                answer.status
            )
        })
    }

    fn faults(&self, answer: &Answer) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                faults.push(what);
            }
        };
        let body = &answer.body;
        let verdict = self.verdict();
        must(answer.status == 200, "not answered with 200".to_owned());
        must(answer.text("status") == verdict, format!("not {verdict}"));
        must(
            body["success"] == json!(verdict == "completed"),
            "success is not what the status says".to_owned(),
        );
        if let Some((exit, signal)) = self.ending() {
            must(
                body["exitCode"] == exit,
                format!("exit status is not {exit}"),
            );
            must(body["signal"] == signal, format!("signal is not {signal}"));
        }
        let truncated = self.says("truncated") == Some("true");
        must(
            body["truncated"] == truncated,
            format!("truncated is not {truncated}"),
        );
        for stream in ["stdout", "stderr"] {
            let shown = answer.text(stream);
            if let Some(text) = self.text(stream) {
                must(shown == text, format!("{stream} is not {text:?}"));
            }
            if let Some(part) = self.text(&format!("{stream} has")) {
                must(shown.contains(&part), format!("{stream} lacks {part:?}"));
            }
            if let Some(part) = self.text(&format!("{stream} lacks")) {
                must(!shown.contains(&part), format!("{stream} has {part:?}"));
            }
            if let Some(bytes) = self.number(&format!("{stream} bytes")) {
                must(
                    shown.len() as u64 == bytes,
                    format!("{stream} has {} bytes", shown.len()),
                );
            }
        }
        let hint = answer.body["hint"].as_str();
        let part = self.text("hint has");
        must(
            match (hint, &part) {
                (Some(hint), Some(part)) => hint.contains(part),
                (hint, part) => hint.is_none() && part.is_none(),
            },
            format!("the hint is not one that has {part:?}"),
        );
        let least = self.number("memory above").map_or(1 << 20, |mib| mib << 20);
        must(
            body["memoryBytes"]
                .as_u64()
                .is_some_and(|bytes| (least..=MEMORY_LIMIT).contains(&bytes)),
            format!("memoryBytes is not from {least} to {MEMORY_LIMIT}"),
        );
        let (wall, cpu) = (body["durationMs"].as_f64(), body["cpuMs"].as_f64());
        must(
            wall.zip(cpu)
                .is_some_and(|(wall, cpu)| wall > 0.0 && cpu > 0.0 && cpu < wall + 500.0),
            "durationMs or cpuMs makes no sense".to_owned(),
        );
        faults
    }

    /// Returns the exit status and the signal that the answer must show, if the program says
    /// either.
    fn ending(&self) -> Option<(Value, Value)> {
        let word = || self.word.clone().unwrap_or_default();
        let exit = self.says("exit").map(|said| match said {
            "the input" => word(),
            status => status.to_owned(),
        });
        let signal = self.says("signal").map(|said| match said {
            "the input" => format!("SIG{}", word()),
            name => name.to_owned(),
        });
        match (exit, signal) {
            (None, None) => None,
            (Some(status), None) => {
                let status: i32 = status.parse().expect("an exit status is a number");
                Some((json!(status), Value::Null))
            }
            (None, Some(name)) => Some((Value::Null, json!(name))),
            (Some(_), Some(_)) => panic!("{} says both exit and signal", self.path),
        }
    }
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the labelled programs are there");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn clip(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

fn clip_end(text: &str, chars: usize) -> String {
    let surplus = text.chars().count().saturating_sub(chars);
    text.chars().skip(surplus).collect()
}
