//! The warm pool: containers that were started ahead, each for one job.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::http::{self, program};
use crate::harness::{docker, machine, warren::Warren};

/// Prints the id of the container that it runs in: the engine mounts files of that name into it.
const PRINT_CONTAINER: &str = "
import re
with open('/proc/self/mountinfo') as mounts:
    print(re.search(r'/containers/([0-9a-f]{64})/', mounts.read()).group(1))
";

async fn start(variables: &[(&str, &str)]) -> Warren {
    let all = [
        &[("WARREN_POLICY", "off"), ("WARREN_SLOTS", "4")],
        variables,
    ]
    .concat();
    Warren::start("up", &all).await.expect("warren up starts")
}

/// Runs a job and returns what it printed.
async fn run(warren: &Warren, language: &str, code: &str) -> String {
    let answer = warren.judged(&program(language, code)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    answer.text("stdout").trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_handed_out_once_and_replaced() {
    let _machine = machine::shared().await;
    let warren = start(&[("WARREN_POOL_SIZE", "2")]).await;
    let mut seen = BTreeSet::new();
    for round in 1..=3 {
        let pool = warren.until_pool_is_full().await;
        assert_eq!(pool["python"]["handedOut"], 2 * (round - 1), "{pool:#}");
        assert_eq!(pool["python"]["coldStarts"], 0, "{pool:#}");
        let parked = docker::ids_of(&warren.instance()).await;
        for _ in 0..2 {
            let id = run(&warren, "python", PRINT_CONTAINER).await;
            assert!(parked.contains(&id), "{id} was there before its job");
            assert!(seen.insert(id), "no container is used twice");
        }
    }
    let pool = warren.until_pool_is_full().await;
    assert_eq!(pool["python"]["handedOut"], 6, "{pool:#}");
    docker::until(&warren.instance(), "used ones gone", |left| {
        let ids = left.iter().filter_map(|container| container.id.as_ref());
        ids.filter(|id| seen.contains(*id)).count() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_do_not_see_that_all_parked_containers_were_killed() {
    let _machine = machine::shared().await;
    let warren = start(&[("WARREN_POOL_SIZE", "2")]).await;
    for _ in 0..3 {
        warren.until_pool_is_full().await;
        let parked = docker::ids_of(&warren.instance()).await;
        assert!(parked.len() >= 4, "{parked:?}");
        let killed = join_all(parked.iter().map(|id| docker::kill(id)));
        let first = async {
            tokio::join!(
                run(&warren, "python", "print('fine')"),
                run(&warren, "javascript", "console.log('fine')"),
            )
        };
        let (_, (python, javascript)) = tokio::join!(killed, first);
        assert_eq!((python.as_str(), javascript.as_str()), ("fine", "fine"));
        // Now all of them are dead, whether or not the worker has noticed.
        assert_eq!(run(&warren, "python", "print('fine')").await, "fine");
        assert_eq!(
            run(&warren, "javascript", "console.log('fine')").await,
            "fine"
        );
    }
    let pool = warren.until_pool_is_full().await;
    let died = |language: &str| pool[language]["died"].as_u64().unwrap_or(0);
    assert!(died("python") + died("javascript") > 0, "{pool:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_container_is_replaced_at_its_age() {
    let _machine = machine::shared().await;
    let variables = [
        ("WARREN_POOL_SIZE", "1"),
        ("WARREN_POOL_MAX_AGE_MS", "2000"),
    ];
    let warren = start(&variables).await;
    warren.until_pool_is_full().await;
    let first = docker::ids_of(&warren.instance()).await;
    warren
        .until_worker("replacing containers for their age", |health| {
            let expired = |language: &str| health["pool"][language]["expired"].as_u64();
            expired("python") >= Some(1) && expired("javascript") >= Some(1)
        })
        .await;
    docker::until(&warren.instance(), "replaced", |now| {
        let ids = now.iter().filter_map(|container| container.id.as_ref());
        ids.filter(|id| first.contains(*id)).count() == 0
    })
    .await;
    assert_eq!(run(&warren, "python", "print('fine')").await, "fine");
}

/// Stops the process, and looks for containers as soon as it has ended.
async fn ends_and_leaves_nothing(mut warren: Warren) {
    let instance = warren.instance();
    warren.terminate();
    let status = warren.wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(docker::containers_of(&instance).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_removes_its_pool() {
    let _machine = machine::shared().await;
    let warren = start(&[]).await;
    warren.until_pool_is_full().await;
    assert_eq!(run(&warren, "python", "print('fine')").await, "fine");
    ends_and_leaves_nothing(warren).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_while_it_fills_its_pool_leaves_nothing() {
    let _machine = machine::shared().await;
    // So many that it is still filling the pool when it has become healthy.
    let slow_to_fill = [("WARREN_POOL_REFILL", "4"), ("WARREN_POOL_SIZE", "12")];
    let warren = start(&slow_to_fill).await;
    let filling = |shelf: &Value| shelf["starting"].as_u64() > Some(0);
    warren
        .until_worker("filling its pool", |health| {
            let mut shelves = health["pool"].as_object().expect("a pool").values();
            shelves.any(filling)
        })
        .await;
    ends_and_leaves_nothing(warren).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_pool_each_job_starts_its_container() {
    let _machine = machine::shared().await;
    let warren = start(&[("WARREN_POOL_SIZE", "0")]).await;
    // Nothing is started ahead; those of the canaries go.
    docker::until_none_of(&warren.instance()).await;
    assert_eq!(run(&warren, "python", "print('fine')").await, "fine");
    let health = warren.worker_health().await;
    let python = &health["pool"]["python"];
    // More than one where the machine had no time for the job at first.
    assert!(python["coldStarts"].as_u64() >= Some(1), "{health:#}");
    assert_eq!(python["handedOut"], 0, "{health:#}");
    let detail = health["services"]["pool"]["detail"].as_str();
    assert!(
        detail.is_some_and(|detail| detail.starts_with("off")),
        "{health:#}"
    );
    docker::until_none_of(&warren.instance()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_jobs_at_once_are_all_answered_with_their_own_output() {
    let _machine = machine::alone().await;
    let warren = start(&[]).await;
    warren.until_pool_is_full().await;
    let jobs = (0..20).map(|n| {
        let warren = &warren;
        async move {
            let (language, code) = if n % 2 == 0 {
                ("python", format!("print({n})"))
            } else {
                ("javascript", format!("console.log({n})"))
            };
            assert_eq!(run(warren, language, &code).await, n.to_string());
        }
    });
    join_all(jobs).await;
    let pool = warren.until_pool_is_full().await;
    for language in ["python", "javascript"] {
        let count = |what: &str| pool[language][what].as_u64().expect("a number");
        // More than ten where the machine had no time for some at first.
        assert!(count("handedOut") + count("coldStarts") >= 10, "{pool:#}");
        assert!(count("handedOut") >= 4, "{pool:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_report_the_pool_and_the_jobs() {
    let _machine = machine::shared().await;
    let warren = start(&[("WARREN_POOL_SIZE", "3")]).await;
    warren.until_pool_is_full().await;
    let parked = docker::containers_of(&warren.instance()).await;
    for language in ["python", "javascript"] {
        let label = |c: &&_| label_of(c, "warren.language") == Some(language);
        assert_eq!(parked.iter().filter(label).count(), 3, "{parked:#?}");
    }
    assert!(
        parked.iter().all(|c| label_of(c, "warren.job").is_none()),
        "they have no job yet"
    );
    assert_eq!(
        metric(&warren, "pool_parked{language=\"python\"}").await,
        "3"
    );
    assert_eq!(metric(&warren, "pool_size{language=\"python\"}").await, "3");
    assert_eq!(
        metric(&warren, "pool_starting{language=\"python\"}").await,
        "0"
    );
    assert_eq!(metric(&warren, "slots").await, "4");
    assert_eq!(metric(&warren, "slots_free").await, "4");

    run(&warren, "python", "print('fine')").await;
    let failing = program("python", "raise SystemExit(3)");
    warren.submit(&failing).await.expect("an answer");
    let handed_out = "pool_handed_out_total{language=\"python\"}";
    assert_eq!(metric(&warren, handed_out).await, "2");
    let cold = "pool_cold_starts_total{language=\"python\"}";
    assert_eq!(metric(&warren, cold).await, "0");
    let jobs = |status: &str| format!("jobs_total{{language=\"python\",status=\"{status}\"}}");
    assert_eq!(metric(&warren, &jobs("completed")).await, "1");
    assert_eq!(metric(&warren, &jobs("runtime_error")).await, "1");
    let durations = "job_duration_seconds_count{language=\"python\"}";
    assert_eq!(metric(&warren, durations).await, "2");
}

fn label_of<'a>(container: &'a bollard::models::ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
}

/// Returns the value of one line.
async fn metric(warren: &Warren, name: &str) -> String {
    let worker = warren.worker.as_ref().expect("a worker");
    let answer = http::get(format!("{worker}/metrics"))
        .await
        .expect("metrics");
    let line = format!("warren_worker_{name} ");
    let mut values = answer
        .raw
        .lines()
        .filter_map(|text| text.strip_prefix(&line));
    let value = values.next().map(str::to_owned);
    value.unwrap_or_else(|| panic!("there is no {line}in {}", answer.raw))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_cannot_be_filled_is_reported_and_retried_ever_less_often() {
    let _machine = machine::shared().await;
    let variables = [
        ("WARREN_POOL_SIZE", "1"),
        ("WARREN_IMAGE_JAVASCRIPT", "warren-test/no-such-image:none"),
    ];
    let mut warren = Warren::spawn("up", &variables).expect("it starts");
    warren.until_listening().await.expect("it listens");
    let health = warren
        .until_worker("failing to refill", |health| {
            let failed = health["pool"]["javascript"]["failedRefills"].as_u64();
            failed >= Some(3) && health["pool"]["python"]["parked"] == 1
        })
        .await;
    let pool: &Value = &health["services"]["pool"];
    assert_eq!(pool["status"], "degraded", "{health:#}");
    let detail = pool["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("javascript"), "{health:#}");
    let pauses: Vec<f64> = warren
        .log()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| seconds(line["pause"].as_str()?))
        .collect();
    // Doubled each time, and up to as much again by chance: the third is at least 2 s.
    assert!(pauses.len() >= 3 && pauses[2] >= 2.0, "{pauses:?}");
    assert_eq!(run(&warren, "python", "print('fine')").await, "fine");
}

/// Parses a duration as `{:?}` writes it.
fn seconds(text: &str) -> Option<f64> {
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}
