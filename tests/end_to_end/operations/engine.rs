//! Failures of the engine under a worker.
//!
//! The worker reports them, takes no jobs, and resumes by itself.

use std::process::Command;
use std::time::{Duration, Instant};

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveImageOptionsBuilder};
use serde_json::Value;

use crate::harness::dockerd::{Dockerd, python_alone};
use crate::harness::http::{self, Answer, program};
use crate::harness::wait::{SOON, until};
use crate::harness::{machine, warren::Warren};

/// The time within which every request is answered, whatever the machine and its engine do.
const PROMISED: Duration = Duration::from_millis(5_500);

struct Probes<'a>(&'a Warren);

impl Probes<'_> {
    async fn worker(&self, path: &str) -> Answer {
        let worker = self.0.worker.as_ref().expect("a worker");
        http::get(format!("{worker}{path}"))
            .await
            .expect("an answer")
    }

    async fn api(&self, path: &str) -> Answer {
        let api = self.0.api.as_ref().expect("an API");
        http::get(format!("{api}{path}")).await.expect("an answer")
    }

    /// Waits until worker and API report that nothing can be run.
    async fn until_unready(&self, what: &str) {
        let told = until(SOON, what, || async {
            self.worker("/health").await.text("status") == "down"
                && self.worker("/readyz").await.status == 503
                && self.api("/api/health").await.text("status") != "ok"
                && self.api("/readyz").await.status == 503
        });
        let told = told.await;
        eprintln!("{what}: told after {told:?}");
        assert_eq!(self.worker("/livez").await.status, 200);
        assert_eq!(self.api("/livez").await.status, 200);
    }

    async fn until_ready(&self, what: &str) {
        let told = until(SOON, what, || async {
            self.worker("/readyz").await.status == 200
                && self.worker("/health").await.health_without_host() == "ok"
                && self.api("/api/health").await.text("status") == "ok"
                && self.api("/readyz").await.status == 200
        });
        eprintln!("{what}: back after {:?}", told.await);
    }
}

fn assert_printed(answer: &Answer, what: &str) {
    let told = (answer.status, answer.text("stdout"));
    assert_eq!(told, (200, what), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wedged_or_restarted_dockerd_is_reported_and_survived() {
    let _machine = machine::alone().await;
    let (mut dockerd, image) = Dockerd::with_python().await.expect("an engine of our own");
    let languages = dockerd.write_languages(python_alone());
    let host = dockerd.host();
    let variables = [
        ("DOCKER_HOST", host.as_str()),
        ("WARREN_IMAGE_PYTHON", image.as_str()),
        ("WARREN_LANGUAGES", languages.as_str()),
        ("WARREN_SLOTS", "2"),
    ];
    let warren = Warren::start("up", &variables)
        .await
        .expect("warren up starts");
    let probes = Probes(&warren);
    let hello = program("python", "print('hello')");
    probes.until_ready("the start").await;
    assert_printed(&warren.judged(&hello).await, "hello\n");
    warren.until_pool_is_full().await;

    // Wedged, with a job in the middle of its run.
    let slow = program("python", "import time\ntime.sleep(60)");
    let (answer, ()) = tokio::join!(warren.submit(&slow), async {
        warren.until_a_job_runs().await;
        dockerd.wedge();
        probes.until_unready("a wedged engine").await;
    });
    let answer = answer.expect("an answer");
    let told = (answer.status, answer.error_code());
    assert_eq!(told, (503, "sandbox_unavailable"), "{}", answer.body);
    assert!(answer.took < PROMISED, "{:?}", answer.took);
    let refused = warren.submit(&hello).await.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.retry_after.is_some(), "{refused:?}");
    assert!(refused.took < PROMISED, "{:?}", refused.took);
    // The job's container cannot be removed, so it keeps its permit.
    until(SOON, "the quarantined container to be reported", || async {
        docker_says(&probes.worker("/health").await.body).contains("could not be removed")
    })
    .await;
    dockerd.unwedge();
    probes.until_ready("an engine that goes on").await;
    assert_printed(&warren.judged(&hello).await, "hello\n");
    warren.until_pool_is_full().await;

    // Restarted: all its containers end.
    let before = ids(&dockerd).await;
    let stopping = Instant::now();
    dockerd.stop().await.expect("dockerd stops");
    eprintln!("dockerd stopped after {:?}", stopping.elapsed());
    probes.until_unready("a stopped engine").await;
    // A worker may start while the engine, and with it its socket, is away.
    let late = Warren::spawn("up", &variables).expect("it starts");
    dockerd.start().await.expect("dockerd starts again");
    probes.until_ready("a restarted engine").await;
    late_is_ready(late).await;
    assert_printed(&warren.judged(&hello).await, "hello\n");
    warren.until_pool_is_full().await;
    until(SOON, "the containers of before to go", || async {
        let left = ids(&dockerd).await;
        !left.iter().any(|id| before.contains(id)) && left.len() == 2
    })
    .await;
    drop(warren);
    assert_eq!(ids(&dockerd).await, Vec::<String>::new());
}

async fn late_is_ready(mut late: Warren) {
    late.until_listening().await.expect("it listens");
    Probes(&late)
        .until_ready("a worker that was there first")
        .await;
}

fn docker_says(health: &Value) -> &str {
    let docker = &health["services"]["docker"]["detail"];
    docker.as_str().unwrap_or_default()
}

/// Returns the ids of every container of the engine.
async fn ids(dockerd: &Dockerd) -> Vec<String> {
    let all = ListContainersOptionsBuilder::default().all(true).build();
    let all = dockerd.client().list_containers(Some(all)).await;
    let all = all.expect("docker lists containers").into_iter();
    all.filter_map(|container| container.id).collect()
}

/// The base image of the language that loses it.
const SNAKE: &str = "warren-test/snake:1";

/// Returns a language file with Python also under another name, on an image of its own.
fn python_and_snake() -> String {
    let python = python_alone();
    let names = python.lines().position(|line| line.starts_with("aliases"));
    let mut snake: Vec<_> = python.lines().collect();
    snake[names.expect("a line of aliases")] = "";
    let snake = snake.join("\n").replacen("\"python\"", "\"snake\"", 1);
    format!("{python}\n{snake}")
}

/// Gives the engine an image that differs from `base` only in its identity.
fn make_snake(dockerd: &Dockerd, base: &str) {
    let build = format!(
        "printf 'FROM {base}\nLABEL test=snake\n' | DOCKER_BUILDKIT=0 docker -H {} build -t {SNAKE} -",
        dockerd.host()
    );
    let built = Command::new("sh").args(["-c", &build]).output();
    let built = built.expect("the docker command runs");
    assert!(built.status.success(), "{built:?}");
}

async fn remove_image(dockerd: &Dockerd, name: &str) {
    let force = RemoveImageOptionsBuilder::default().force(true).build();
    let removed = dockerd.client().remove_image(name, Some(force), None).await;
    removed.expect("docker removes an image");
}

/// Returns the image of the containers that wait for the language's jobs.
async fn sandbox_image(dockerd: &Dockerd, language: &str) -> String {
    let all = ListContainersOptionsBuilder::default().all(true).build();
    let all = dockerd.client().list_containers(Some(all)).await;
    let of_language = all
        .expect("docker lists containers")
        .into_iter()
        .find(|container| {
            let labels = container.labels.as_ref();
            labels.is_some_and(|labels| labels.values().any(|value| value == language))
        });
    of_language
        .and_then(|it| it.image)
        .expect("a parked container of it")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_image_is_made_again_or_its_language_reported() {
    let _machine = machine::alone().await;
    let (dockerd, image) = Dockerd::with_python().await.expect("an engine of our own");
    make_snake(&dockerd, &image);
    let languages = dockerd.write_languages(&python_and_snake());
    let host = dockerd.host();
    let variables = [
        ("DOCKER_HOST", host.as_str()),
        ("WARREN_IMAGE_PYTHON", image.as_str()),
        ("WARREN_IMAGE_SNAKE", SNAKE),
        ("WARREN_LANGUAGES", languages.as_str()),
        ("WARREN_SLOTS", "2"),
        ("WARREN_POOL_SIZE", "1"),
    ];
    let warren = Warren::start("up", &variables)
        .await
        .expect("warren up starts");
    let probes = Probes(&warren);
    let [python, snake] = ["python", "snake"].map(|name| program(name, "print('hello')"));
    warren.until_pool_is_full().await;

    // The sandbox image alone: made again from its base before anybody notices, or in time.
    let sandbox = sandbox_image(&dockerd, "snake").await;
    remove_image(&dockerd, &sandbox).await;
    for _ in 0..3 {
        assert_printed(&warren.judged(&snake).await, "hello\n");
    }
    warren.until_pool_is_full().await;
    until(SOON, "the image to be made again", || async {
        dockerd.client().inspect_image(&sandbox).await.is_ok()
    })
    .await;

    // Its base is deleted as well: this language's jobs are refused with what to do, others
    // continue.
    remove_image(&dockerd, SNAKE).await;
    remove_image(&dockerd, &sandbox).await;
    let told = until(SOON, "the missing image to be reported", || async {
        let health = probes.worker("/health").await;
        let languages = &health.body["services"]["languages"];
        let says = languages["detail"].as_str().unwrap_or_default();
        health.health_without_host() == "degraded" && says.contains("snake") && says.contains(SNAKE)
    });
    eprintln!("a missing image: reported after {:?}", told.await);
    assert_eq!(probes.worker("/readyz").await.status, 200);
    // The parked container may still serve a job.
    drop(warren.submit(&snake).await);
    let refused = warren.submit(&snake).await.expect("an answer");
    let told = (refused.status, refused.error_code());
    assert_eq!(told, (503, "sandbox_unavailable"), "{}", refused.body);
    assert!(
        refused.raw.contains("WARREN_IMAGE_SNAKE"),
        "{}",
        refused.raw
    );
    assert!(refused.took < PROMISED, "{:?}", refused.took);
    assert_printed(&warren.judged(&python).await, "hello\n");

    make_snake(&dockerd, &image);
    probes.until_ready("an image that is back").await;
    assert_printed(&warren.judged(&snake).await, "hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_that_cannot_run_is_reported_and_the_others_continue() {
    let _machine = machine::shared().await;
    let python = crate::harness::images::variables().remove("WARREN_IMAGE_PYTHON");
    let python = python.unwrap_or_else(|| "python:3.10-alpine".to_owned());
    // An image without Node.
    let wrong = [
        ("WARREN_IMAGE_JAVASCRIPT", python.as_str()),
        ("WARREN_POOL_SIZE", "1"),
    ];
    let mut warren = Warren::spawn("up", &wrong).expect("it starts");
    warren.until_listening().await.expect("it listens");
    let health = warren
        .until_worker("degraded by JavaScript", |health| {
            let languages = &health["services"]["languages"];
            let says = languages["detail"].as_str().unwrap_or_default();
            languages["status"] == "degraded" && says.contains("javascript cannot be run")
        })
        .await;
    let says = health["services"]["languages"]["detail"].as_str();
    assert!(
        !says.unwrap_or_default().contains("python cannot"),
        "{health:#}"
    );
    let probes = Probes(&warren);
    assert_eq!(probes.worker("/readyz").await.status, 200);
    let hello = program("python", "print('hello')");
    assert_printed(&warren.judged(&hello).await, "hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_can_run_nothing_takes_no_jobs() {
    let _machine = machine::shared().await;
    let wrong = [
        ("WARREN_IMAGE_JAVASCRIPT", "warren-test/no-such-image:none"),
        ("WARREN_IMAGE_PYTHON", "warren-test/no-such-image:none"),
    ];
    let mut warren = Warren::spawn("up", &wrong).expect("it starts");
    warren.until_listening().await.expect("it listens");
    let probes = Probes(&warren);
    warren
        .until_worker("down", |health| health["status"] == "down")
        .await;
    let ready = probes.worker("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.raw.contains("WARREN_IMAGE_"), "{}", ready.raw);
    assert_eq!(probes.worker("/livez").await.status, 200);
    let hello = program("python", "print('hello')");
    let refused = warren.submit(&hello).await.expect("an answer");
    let told = (refused.status, refused.error_code());
    assert_eq!(told, (503, "no_workers"), "{}", refused.body);
    // Asked directly, it says why.
    let worker = warren.worker.as_ref().expect("a worker");
    let refused = http::submit(format!("{worker}/execute"), &hello).await;
    let refused = refused.expect("an answer");
    let told = (refused.status, refused.error_code());
    assert_eq!(told, (503, "sandbox_unavailable"), "{}", refused.body);
}
