//! Runs the programs of `tests/corpus/verdicts` through the whole of Warren.
//!
//! All slots are taken, and each program gets the verdict that it states.

mod program;

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::harness::engine::{Engine, on_each_engine};
use crate::harness::http::{Answer, get};
use crate::harness::{machine, warren::Warren};

use program::Labelled;

on_each_engine!(labelled_programs_are_judged_correctly);

/// The number of times that a program is sent for which the machine has no time, which is no
/// verdict.
const TRIES: usize = 20;

#[test]
fn the_labelled_corpus_is_complete() {
    let all = Labelled::all();
    for language in ["python", "javascript"] {
        let count = all.iter().filter(|one| one.language() == language).count();
        assert!(
            count >= 40 || std::env::var_os("WARREN_LABELLED").is_some(),
            "{language} has {count}"
        );
    }
}

/// Each program runs on one engine, in warm containers of Docker or cold ones of the native engine; with
/// `make soak-corpora` in both kinds of both.
async fn labelled_programs_are_judged_correctly(engine: Engine) {
    let is_soak = Engine::is_soak();
    if is_soak || engine == Engine::Docker {
        judge_all(engine, engine.share(Labelled::all()), &[]).await;
    }
    if is_soak || engine == Engine::Native {
        let mut programs = engine.share(Labelled::all());
        // A time limit is enforced alike in both kinds of container.
        programs.retain(|one| !is_soak || !one.uses_up_its_time());
        judge_all(engine, programs, &[("WARREN_POOL_SIZE", "0")]).await;
    }
}

/// Runs the programs in a Warren of this configuration.
async fn judge_all(engine: Engine, programs: Vec<Labelled>, configuration: &[(&str, &str)]) {
    let _machine = machine::alone().await;
    let mut variables = vec![("WARREN_POLICY", "off")];
    variables.extend(configuration);
    let warren = Warren::start_on(engine, "up", &variables)
        .await
        .expect("warren up starts");
    let slots = slots(&warren).await;
    let (busy, others): (Vec<_>, Vec<_>) = programs.into_iter().partition(Labelled::needs_cpu);
    let (long, quick): (Vec<_>, Vec<_>) = others.into_iter().partition(Labelled::uses_up_its_time);

    // Twice as many as can run: half of them wait, which changes no verdict. But programs that take
    // much time would leave none to those behind them, and programs that take much CPU would not
    // leave each other their share of it on a machine with other load.
    let mut complaints = Vec::new();
    for (what, programs, at_a_time) in [
        ("quick", quick, 2 * slots),
        ("busy", busy, slots.div_ceil(2)),
        ("long", long, slots),
    ] {
        let begun = Instant::now();
        let count = programs.len();
        complaints.extend(judge(&warren, programs, at_a_time).await);
        eprintln!(
            "{count} {what} programs, {at_a_time} at a time: {:?} {configuration:?}",
            begun.elapsed()
        );
    }

    assert!(
        complaints.is_empty(),
        "{} are not judged as they say:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    let instance = warren.instance();
    drop(warren);
    engine.until_none_of(&instance).await;
}

async fn judge(warren: &Warren, programs: Vec<Labelled>, at_a_time: usize) -> Vec<String> {
    stream::iter(programs)
        .map(|program| async move {
            let answer = run(warren, &program).await;
            program.complaint(&answer)
        })
        .buffer_unordered(at_a_time)
        .filter_map(|complaint| async { complaint })
        .collect()
        .await
}

/// Returns the answer to a program: a verdict, if the machine can give one.
async fn run(warren: &Warren, program: &Labelled) -> Answer {
    let submission = program.submission();
    let mut tries = 0;
    loop {
        let answer = warren.submit(&submission).await.expect("an answer");
        // A refusal because of other load is no try.
        tries += usize::from(answer.error_code() != "overloaded");
        if program.is_judged(&answer) || tries == TRIES {
            return answer;
        }
        eprintln!("no verdict yet: {} ({})", program.name(), answer.status);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Returns the number of jobs that the worker runs at a time, from its own report: "3 of 4 free".
async fn slots(warren: &Warren) -> usize {
    let url = warren.worker.as_ref().expect("`up` has a worker");
    let health = get(format!("{url}/health")).await.expect("an answer");
    let said = health.body["services"]["slots"]["detail"].as_str();
    said.and_then(|said| said.split(' ').nth(2)?.parse().ok())
        .unwrap_or_else(|| panic!("the worker does not say its slots: {}", health.body))
}
