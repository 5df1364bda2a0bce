//! API and workers as processes of their own, on RabbitMQ.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::http::{self, Answer, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{docker, machine, mongo, warren::Warren};

/// The longest that a refusal without a wait may take: a caller who waits is answered after five
/// seconds.
const AT_ONCE: Duration = Duration::from_secs(3);
/// The number of times that a job may be late which has to be begun twice within its caller's five
/// seconds.
const TRIES: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_jobs_and_the_broker_shows_both() {
    let _machine = machine::shared().await;
    mongo::Database::with(|database| async move { share(&database.uri()).await }).await;
}

async fn share(mongodb: &str) {
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let first = Warren::start("worker", &broker)
        .await
        .expect("a worker starts");
    let second = Warren::start("worker", &broker)
        .await
        .expect("a worker starts");
    let with_store = [("RABBITMQ_URL", url.as_str()), ("MONGODB_URI", mongodb)];
    let api = Warren::start("api", &with_store)
        .await
        .expect("the API starts");

    let hello = program("python", "import time\ntime.sleep(0.5)\nprint('hello')");
    let answers = join_all((0..12).map(|_| api.judged(&hello))).await;
    let mut workers = BTreeSet::new();
    for answer in answers {
        assert_eq!(
            (answer.status, answer.text("stdout")),
            (200, "hello\n"),
            "{}",
            answer.body
        );
        workers.insert(answer.text("worker").to_owned());
    }
    assert_eq!(workers.len(), 2, "{workers:?}");

    let health = http::get(format!("{}/api/health", api.api.as_ref().expect("an API")))
        .await
        .expect("health");
    assert_eq!(health.text("status"), "ok", "{}", health.body);
    until(SOON, "two consumers to be seen", || async {
        let queues = vhost.queues().await.unwrap_or_default();
        let jobs = queues.iter().find(|queue| queue["name"] == "warren.jobs");
        jobs.is_some_and(|queue| queue["consumers"] == 2)
    })
    .await;

    // Every byte of these outputs takes six in JSON: uncut, the reply would be past what the
    // broker takes.
    let case = json!({"expectedOutput": "never"});
    let loud = json!({
        "language": "python", "code": "print('\\x01' * 65_000)", "testCases": vec![case; 30],
    });
    let started = Instant::now();
    let mut answer = api.submit(&loud).await.expect("an answer");
    while answer.is_late() && started.elapsed() < SOON {
        answer = api.submit(&loud).await.expect("an answer");
    }
    // Not all of so many cases may fit; each that did has printed too much.
    assert_eq!(
        (answer.status, answer.text("status")),
        (200, "wrong_answer"),
        "{:.300}",
        answer.body.to_string()
    );
    assert_eq!(answer.body["truncated"], true);
    drop((first, second));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_workers_callers_are_refused_at_once_with_a_retry_time() {
    let _machine = machine::shared().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let api = Warren::start("api", &[("RABBITMQ_URL", url.as_str())])
        .await
        .expect("the API starts");
    let answer = api
        .submit(&program("python", "print(1)"))
        .await
        .expect("an answer");
    assert_eq!(
        (answer.status, answer.error_code()),
        (503, "no_workers"),
        "{}",
        answer.body
    );
    assert!(
        answer.retry_after.is_some() && answer.took < AT_ONCE,
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_job_is_run_by_another() {
    let _machine = machine::alone().await;
    let mut tries = 1..=TRIES;
    while let Err(late) = kill_a_worker_at_work().await {
        // On a busy machine two starts may not fit into a caller's time.
        let number = tries.next();
        assert!(number.is_some(), "late {TRIES} times: {}", late.body);
        eprintln!("try {number:?} was late: {}", late.body);
    }
}

/// Kills a worker that runs a job while another is there. Returns the answer if it was late.
async fn kill_a_worker_at_work() -> Result<(), Answer> {
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let start = async || {
        let worker = Warren::start("worker", &broker).await;
        worker.expect("a worker starts")
    };
    let mut workers = [start().await, start().await];
    let api = Warren::start("api", &broker).await.expect("the API starts");
    let slow = program("python", "import time\ntime.sleep(1)\nprint('done')");
    let (answer, killed) = tokio::join!(api.submit(&slow), async {
        until(SOON, "a worker to run the job", async || {
            workers.iter().any(|worker| !worker.begun().is_empty())
        })
        .await;
        let at_work = workers.iter_mut().find(|worker| !worker.begun().is_empty());
        let at_work = at_work.expect("it was there a moment ago");
        at_work.kill();
        at_work.instance()
    });
    let answer = answer.expect("an answer");
    if !answer.is_late() {
        assert_eq!(
            (answer.status, answer.text("stdout")),
            (200, "done\n"),
            "{}",
            answer.body
        );
        assert_ne!(answer.text("worker"), killed);
    }
    drop(workers);
    let _sweeper = Warren::start("up", &[]).await.expect("warren up starts");
    docker::until_none_of(&killed).await;
    if answer.is_late() {
        Err(answer)
    } else {
        Ok(())
    }
}
