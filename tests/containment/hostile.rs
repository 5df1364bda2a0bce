//! The hostile programs of `tests/corpus/hostile` through the whole of Warren: an honest verdict
//! for each, and the next job is fine. (`runner/tests/container` holds PID 1 to the same alone.)

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::harness::http::program;
use crate::harness::{corpus, docker, machine, warren::Warren};

/// A few at a time: a hostile program must not harm its neighbour either.
const AT_A_TIME: usize = 3;

struct Hostile {
    path: String,
    code: String,
}

impl Hostile {
    fn all() -> Vec<Self> {
        let directory = std::fs::read_dir(corpus::path_of("hostile")).expect("the fixtures");
        let names = directory.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        let mut paths: Vec<_> = names
            .filter(|name| !name.ends_with(".md"))
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

    /// What the fixture says of itself in its first lines.
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

#[tokio::test(flavor = "multi_thread")]
async fn hostile_programs_are_contained_and_judged_honestly() {
    let _machine = machine::alone().await;
    let warren = Warren::start("up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts");
    let all = Hostile::all();
    assert!(
        all.len() > 40,
        "the hostile fixtures are there: {}",
        all.len()
    );
    let faults: Vec<String> = stream::iter(all)
        .map(|hostile| async { judge(&warren, hostile).await })
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<_>>()
        .await
        .concat();
    assert!(faults.is_empty(), "{faults:#?}");
    let instance = warren.instance();
    drop(warren);
    assert_eq!(docker::containers_of(&instance).await, []);
}

/// Runs the program, and an ordinary one after it. Returns what was not as it must be.
async fn judge(warren: &Warren, hostile: Hostile) -> Vec<String> {
    let mut faults = Vec::new();
    let submission = program(corpus::language(&hostile.path), &hostile.code);
    let answer = warren.submit(&submission).await.expect("an answer");
    let expected = hostile.says("verdict").expect("a fixture says its verdict");
    if answer.status != 200 || answer.text("status") != expected {
        faults.push(format!(
            "{}: not {expected}: {:.600}",
            hostile.path,
            answer.body.to_string()
        ));
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
    let next = warren
        .submit(&program("python", "print('fine')"))
        .await
        .expect("an answer");
    if next.text("stdout") != "fine\n" {
        faults.push(format!(
            "after {}: {:.600}",
            hostile.path,
            next.body.to_string()
        ));
    }
    faults
}
