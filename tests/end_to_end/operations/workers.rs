//! API and workers as processes of their own, on RabbitMQ.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::http::{self, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::until;
use crate::harness::{docker, machine, mongo, warren::Warren};

/// How long a refusal may take: "at once", on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How late the management API's figures may be.
const SHOWN: Duration = Duration::from_secs(30);

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
    let answers = join_all((0..12).map(|_| api.submit(&hello))).await;
    let mut workers = BTreeSet::new();
    for answer in answers {
        let answer = answer.expect("an answer");
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
    until(SHOWN, "two consumers to be seen", || async {
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
    let answer = api.submit(&loud).await.expect("an answer");
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
async fn without_workers_callers_are_told_at_once_and_when_to_come_again() {
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
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let mut first = Warren::start("worker", &broker)
        .await
        .expect("a worker starts");
    let api = Warren::start("api", &broker).await.expect("the API starts");
    let instance = first.instance();
    let slow = program("python", "import time\ntime.sleep(1)\nprint('done')");
    let submit = api.submit(&slow);
    let (answer, second) = tokio::join!(submit, async {
        first.until_a_job_runs().await;
        first.kill();
        Warren::start("worker", &broker)
            .await
            .expect("another worker starts")
    });
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.status, answer.text("stdout")),
        (200, "done\n"),
        "{}",
        answer.body
    );
    drop(second);
    let _sweeper = Warren::start("up", &[]).await.expect("warren up starts");
    docker::until_none_of(&instance).await;
}
