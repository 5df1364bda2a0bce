//! Runs that PID 1, frozen or killed, cannot report: verdicts, and no failures.

use std::process::Command;
use std::time::{Duration, Instant};

use bollard::query_parameters::TopOptionsBuilder;
use serde_json::{Value, json};

use crate::harness::engine::{Engine, on_each_engine};
use crate::harness::http::Answer;
use crate::harness::wait::SOON;
use crate::harness::{corpus, docker, machine, native, warren::Warren};

on_each_engine!(
    a_frozen_container_is_a_time_limit_and_keeps_the_verdicts_before,
    a_frozen_single_run_is_answered_before_its_caller_leaves,
    what_a_run_leaves_in_flight_is_gone_before_the_next,
);

/// The time within which every caller is answered, by the contract.
const PROMISED: Duration = Duration::from_secs(5);

/// Prints its input, unless that is `stay`: then it starts a process that is easy to find.
const STAYS: &str = "import subprocess
text = input()
if text == 'stay':
    subprocess.run(['sleep', '60'])
print(text)";

/// Starts a worker for programs of any kind.
async fn start(engine: Engine) -> Warren {
    let warren = Warren::start_on(engine, "up", &[("WARREN_POLICY", "off")]).await;
    let warren = warren.expect("warren up starts");
    warren.until_pool_is_full().await;
    warren
}

/// Waits until one of the worker's containers runs `sleep`. Returns its id, or the number of its PID 1.
async fn that_sleeps(warren: &Warren) -> String {
    let started = Instant::now();
    loop {
        for container in warren.engine.sandboxes_of(warren).await {
            if sleeps(warren.engine, &container).await {
                return container;
            }
        }
        assert!(started.elapsed() < SOON, "no program sleeps");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn sleeps(engine: Engine, container: &str) -> bool {
    if engine == Engine::Native {
        let mut processes = native::processes_of(number(container)).into_iter();
        return processes.any(|process| native::runs(process, "sleep"));
    }
    let options = TopOptionsBuilder::default().ps_args("-eo pid,args").build();
    let top = docker::client()
        .top_processes(container, Some(options))
        .await;
    // One that is not running has no processes to show.
    let lines = top.ok().and_then(|top| top.processes).unwrap_or_default();
    let mut words = lines.iter().flatten();
    words.any(|word| word.starts_with("sleep "))
}

/// Stops every process of a container, as a machine that has no time for it would.
async fn freeze(engine: Engine, container: &str) {
    match engine {
        Engine::Docker => {
            let paused = docker::client().pause_container(container).await;
            paused.expect("docker pauses a container");
        }
        Engine::Native => native::signal("STOP", native::processes_of(number(container))),
    }
}

fn number(init: &str) -> u32 {
    init.parse().expect("the number of a PID 1")
}

/// Submits, does something to the container of the program that stays, and returns the answer.
async fn disturbed(
    warren: &Warren,
    submission: &Value,
    disturb: impl AsyncFn(String),
) -> (Answer, Value) {
    let started = Instant::now();
    loop {
        let (answer, ()) = tokio::join!(warren.submit(submission), async {
            disturb(that_sleeps(warren).await).await;
        });
        let answer = answer.expect("an answer");
        let first_stay = answer.body["testResults"][1]["status"].clone();
        // A machine with other load may have had no time for it.
        if !(answer.is_late() || first_stay == "not_run") || started.elapsed() > SOON {
            let results = answer.body["testResults"].as_array();
            let statuses = results.into_iter().flatten();
            let statuses = statuses.map(|result| result["status"].clone()).collect();
            return (answer, statuses);
        }
        eprintln!("no time for it yet: {:.300}", answer.raw);
    }
}

fn cases() -> Value {
    json!({
        "language": "python",
        "code": STAYS,
        "testCases": [
            {"input": "one", "expectedOutput": "one"},
            {"input": "stay", "expectedOutput": "stay"},
            {"input": "three", "expectedOutput": "three"},
        ],
    })
}

/// Checks that the worker has blamed nothing but the program.
fn assert_unblamed(warren: &Warren) {
    let log = warren.log();
    for blame in ["failed to run the job", "retrying with another"] {
        assert!(!log.contains(blame), "{blame}");
    }
}

async fn a_frozen_container_is_a_time_limit_and_keeps_the_verdicts_before(engine: Engine) {
    let _machine = machine::alone().await;
    let warren = start(engine).await;
    let (answer, statuses) = disturbed(&warren, &cases(), async |id| {
        freeze(engine, &id).await;
    })
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        statuses,
        json!(["completed", "time_limit_exceeded", "not_run"])
    );
    let case = &answer.body["testResults"][1];
    assert!(case["durationMs"].as_f64() >= Some(3000.0), "{case}");
    assert!(answer.took < PROMISED, "{:?}", answer.took);
    assert_unblamed(&warren);
    let instance = warren.instance();
    drop(warren);
    engine.until_none_of(&instance).await;
}

async fn a_frozen_single_run_is_answered_before_its_caller_leaves(engine: Engine) {
    let _machine = machine::alone().await;
    let warren = start(engine).await;
    let submission = json!({"language": "python", "code": STAYS, "input": "stay"});
    let (answer, _) = disturbed(&warren, &submission, async |id| {
        freeze(engine, &id).await;
    })
    .await;
    let told = (answer.status, answer.text("status"));
    assert_eq!(told, (200, "time_limit_exceeded"), "{}", answer.body);
    assert!(answer.took < PROMISED, "{:?}", answer.took);
    for figure in ["cpuMs", "memoryBytes"] {
        let known = answer.body[figure].as_f64() > Some(0.0);
        assert!(known, "{figure}: {}", answer.body);
    }
    assert_unblamed(&warren);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_init_that_nobody_asked_docker_for_is_the_memory_limit() {
    let _machine = machine::alone().await;
    let warren = start(Engine::Docker).await;
    let (answer, statuses) = disturbed(&warren, &cases(), async |id| {
        let container = docker::client().inspect_container(&id, None).await;
        let state = container.expect("docker describes a container").state;
        let init = state.and_then(|state| state.pid).expect("a running PID 1");
        let killed = Command::new("kill")
            .args(["-9", &init.to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
    })
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        statuses,
        json!(["completed", "memory_limit_exceeded", "not_run"])
    );
    let case = &answer.body["testResults"][1];
    assert!(case["durationMs"].as_f64() > Some(0.0), "{case}");
    assert_eq!(answer.body["memoryBytes"], json!(256 << 20));
    assert_unblamed(&warren);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_that_somebody_asked_docker_for_is_no_verdict() {
    let _machine = machine::alone().await;
    let warren = start(Engine::Docker).await;
    let submission = json!({"language": "python", "code": STAYS, "input": "stay"});
    // The program gets another container, and there it reaches its time limit.
    let (answer, _) = disturbed(&warren, &submission, async |id| docker::kill(&id).await).await;
    assert_ne!(answer.text("status"), "memory_limit_exceeded");
    let log = warren.log();
    assert!(log.contains("killed through the engine"), "{}", answer.body);
    assert!(log.contains("retrying with another"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_init_that_the_native_engine_did_not_count_as_memory_is_no_verdict() {
    let _machine = machine::alone().await;
    let warren = start(Engine::Native).await;
    let submission = json!({"language": "python", "code": STAYS, "input": "stay"});
    // The program gets another container, and there it reaches its time limit.
    let (answer, _) = disturbed(&warren, &submission, async |init| {
        native::signal("KILL", [number(&init)]);
    })
    .await;
    assert_ne!(answer.text("status"), "memory_limit_exceeded");
    let log = warren.log();
    assert!(log.contains("exit status 137"), "{}", answer.body);
    assert!(log.contains("retrying with another"), "{}", answer.body);
}

async fn what_a_run_leaves_in_flight_is_gone_before_the_next(engine: Engine) {
    let _machine = machine::shared().await;
    let warren = start(engine).await;
    for name in ["rights", "inodes", "cycles"] {
        let code = corpus::source(&format!("hostile/{name}_in_flight.py"));
        let case = json!({"expectedOutput": ""});
        let submission = json!({
            "language": "python",
            "code": code,
            "testCases": [case, case, case],
        });
        let answer = warren.judged(&submission).await;
        let results = answer.body["testResults"].as_array();
        for result in results.expect("test results") {
            let printed = result["actualOutput"].as_str().unwrap_or_default();
            let is_contained = printed.trim_end().ends_with("contained");
            assert!(is_contained, "{name}: {}", answer.body);
        }
    }
}
