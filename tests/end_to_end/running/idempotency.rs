//! Sends one request many times to two APIs at once: it is run once.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::harness::http::{self, program};
use crate::harness::mongo::Database;
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{machine, warren::Warren};

/// The number of times that the request is sent, half of them to each API.
const TIMES: usize = 100;
/// A program that prints something else in every run.
const UNIQUE: &str = "import time, random\nprint(time.time_ns(), random.random())";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_many_times_at_once_to_two_apis_is_run_once() {
    Database::with(|database| async move {
        let _machine = machine::shared().await;
        let vhost = Vhost::fresh().await;
        let (url, store) = (vhost.amqp_url(), database.uri());
        let variables = [("RABBITMQ_URL", url.as_str()), ("MONGODB_URI", &store)];
        let start = async |command| {
            let started = Warren::start(command, &variables).await;
            started.expect("warren starts")
        };
        let worker = start("worker").await;
        let apis = [start("api").await, start("api").await];
        for api in &apis {
            until(SOON, "the API to have a worker", async || {
                let ready = format!("{}/readyz", api.api.as_ref().expect("an API"));
                http::get(ready)
                    .await
                    .is_ok_and(|ready| ready.status == 200)
            })
            .await;
        }

        let submission = program("python", UNIQUE);
        let sent = (0..TIMES).map(|time| {
            let url = apis[time % apis.len()].execute_url();
            http::with_header(url, ("idempotency-key", "only-once"), &submission)
        });
        let answers = join_all(sent).await;
        let bodies: BTreeSet<String> = answers
            .into_iter()
            .map(|answer| {
                let answer = answer.expect("an answer");
                assert_eq!(answer.status, 200, "{}", answer.raw);
                answer.raw
            })
            .collect();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert_eq!(worker.begun().len(), 1, "the job was begun once");
    })
    .await;
}
