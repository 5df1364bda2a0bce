//! Runs the hostile programs of `tests/corpus/hostile` through the whole of Warren.
//!
//! Each gets an honest verdict, and the job after it is fine. (`runner/tests/container` checks the
//! same for PID 1 alone.)

use std::time::Instant;

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::harness::engine::{Engine, on_each_engine};
use crate::harness::http::{Answer, program};
use crate::harness::wait::SOON;
use crate::harness::{corpus, machine, warren::Warren};

on_each_engine!(hostile_programs_are_contained_and_judged_honestly);

/// The number of programs at a time: a few, since a hostile program must not harm its neighbour
/// either.
const AT_A_TIME: usize = 3;
/// The number of times that a program is sent before the test accepts that the machine has not
/// enough CPU for it.
const TRIES: usize = 5;

struct Hostile {
    path: String,
    code: String,
}

impl Hostile {
    fn all() -> Vec<Self> {
        let directory = std::fs::read_dir(corpus::path_of("hostile")).expect("the programs");
        let names = directory.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        let only = std::env::var("WARREN_HOSTILE").unwrap_or_default();
        let mut paths: Vec<_> = names
            .filter(|name| !name.ends_with(".md") && name.contains(&only))
            .map(|name| format!("hostile/{name}"))
            .collect();
        paths.sort();
        paths
            .into_iter()
            .map(|path| Self {
                code: corpus::source(&path),
                path,
            })
            .collect()
    }

    /// Returns the status that the program states.
    fn verdict(&self) -> &str {
        self.says("verdict").expect("a program says its verdict")
    }

    /// Returns whether the answer is as honest as the verdict that the program states: it states another
    /// one, too, or without the CPU that it needs it reaches its time limit before the limit that it
    /// aims at.
    fn may_be_stopped_first(&self, answer: &Answer) -> bool {
        let status = answer.text("status");
        self.says("or") == Some(status)
            || (self.says("needs") == Some("cpu") && status == "time_limit_exceeded")
    }

    /// Returns whether the run was over within the time that the program states.
    fn is_in_time(&self, answer: &Answer) -> bool {
        let within = self.says("within").map(|ms| ms.parse().expect("a number"));
        within.is_none_or(|within: f64| answer.body["durationMs"].as_f64() < Some(within))
    }

    /// Returns what the program states in its first lines.
    fn says(&self, key: &str) -> Option<&str> {
        let comments = self
            .code
            .lines()
            .map_while(|line| line.strip_prefix("# ").or(line.strip_prefix("// ")));
        comments
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }
}

async fn hostile_programs_are_contained_and_judged_honestly(engine: Engine) {
    let _machine = machine::alone().await;
    let warren = Warren::start_on(engine, "up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts");
    let all = Hostile::all();
    let is_narrowed = std::env::var_os("WARREN_HOSTILE").is_some();
    assert!(
        all.len() > 40 || (is_narrowed && !all.is_empty()),
        "the hostile programs are there: {}",
        all.len()
    );
    let all = engine.share(all);
    let faults: Vec<String> = stream::iter(all)
        .map(|hostile| async { judge(&warren, hostile).await })
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<_>>()
        .await
        .concat();
    assert!(faults.is_empty(), "{faults:#?}");
    let instance = warren.instance();
    drop(warren);
    engine.until_none_of(&instance).await;
}

/// Runs the program, and an ordinary one after it. Returns the complaints.
async fn judge(warren: &Warren, hostile: Hostile) -> Vec<String> {
    let mut faults = Vec::new();
    let submission = program(corpus::language(&hostile.path), &hostile.code);
    let expected = hostile.verdict();
    let mut answer = warren.submit(&submission).await.expect("an answer");
    let started = Instant::now();
    for tries in 1.. {
        let is_honest = tries >= TRIES && hostile.may_be_stopped_first(&answer);
        let is_stopped = answer.text("status") == "time_limit_exceeded" && !is_honest;
        let has_time = !answer.is_late() && (!is_stopped || expected == "time_limit_exceeded");
        if has_time || started.elapsed() > SOON {
            break;
        }
        answer = warren.submit(&submission).await.expect("an answer");
    }
    let is_right = answer.text("status") == expected || hostile.may_be_stopped_first(&answer);
    if answer.status != 200 || !is_right {
        faults.push(format!(
            "{}: not {expected}: {:.600}",
            hostile.path,
            answer.body.to_string()
        ));
    }
    if !hostile.is_in_time(&answer) {
        let took = &answer.body["durationMs"];
        faults.push(format!("{}: not over in time: {took} ms", hostile.path));
    }
    if let Some(exit) = hostile.says("exit")
        && answer.body["exitCode"] != json!(exit.parse::<i32>().expect("a number"))
    {
        faults.push(format!(
            "{}: exit status not {exit}: {:.600}",
            hostile.path,
            answer.body.to_string()
        ));
    }
    let next = warren.judged(&program("python", "print('fine')")).await;
    if next.text("stdout") != "fine\n" {
        faults.push(format!(
            "after {}: {:.600}",
            hostile.path,
            next.body.to_string()
        ));
    }
    faults
}
