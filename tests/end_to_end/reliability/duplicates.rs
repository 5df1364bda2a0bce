//! A job that is run twice to its end has one result.

use warren_queue::rabbit::topology::RESULTS;

use crate::harness::http::{self, program};
use crate::harness::machine;
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::warren::Warren;

/// The broker loses the worker that runs the job, and the worker does not notice before it has
/// answered: by then another runs it as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_two_workers_ran_has_the_result_of_the_first_to_answer() {
    let _machine = machine::alone().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let mut workers = Vec::new();
    for _ in 0..2 {
        let worker = Warren::start("worker", &broker).await;
        workers.push(worker.expect("a worker starts"));
    }
    for worker in &workers {
        until(SOON, "the broker shows its connections", async || {
            let shown = vhost.connections(&consumer_of(worker)).await;
            shown.expect("an answer").len() == 1
        })
        .await;
    }
    let api = Warren::start("api", &broker).await.expect("the API starts");

    let slow = program("python", "import time\ntime.sleep(1.5)\nprint('done')");
    let (answer, ()) = tokio::join!(api.submit(&slow), async {
        until(SOON, "a worker to run the job", async || {
            workers.iter().any(|worker| !worker.begun().is_empty())
        })
        .await;
        let running = workers.iter().find(|worker| !worker.begun().is_empty());
        let running = running.expect("it was there a moment ago");
        let closed = vhost.close_connections(&consumer_of(running), 1).await;
        closed.expect("the connection is closed");
    });
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.status, answer.text("stdout")),
        (200, "done\n"),
        "{}",
        answer.body
    );

    // Each worker ran it, and the second answer was an unclaimed reply. Which of them is the second
    // depends on the machine: the first to begin may be the last to get the CPU.
    let job = answer.text("jobId").to_owned();
    for worker in &workers {
        until(SOON, "both workers ran the job", async || {
            worker.begun().iter().any(|begun| begun.job == job)
        })
        .await;
    }
    until(SOON, "the second answer was dealt with", async || {
        let queues = vhost.queues().await.expect("an answer");
        let results = queues.iter().find(|queue| queue["name"] == RESULTS);
        results.is_some_and(|queue| queue["message_stats"]["ack"].as_u64() == Some(1))
    })
    .await;
    let record = format!(
        "{}/api/executions/{job}",
        api.api.as_ref().expect("an API that listens")
    );
    let record = http::get(record).await.expect("an answer");
    let result = &record.body["result"];
    for field in ["worker", "executionTime", "stdout"] {
        assert_eq!(result[field], answer.body[field], "{field}: {result}");
    }
}

/// Returns the broker's name of the connection on which this worker takes jobs.
fn consumer_of(worker: &Warren) -> String {
    format!("{} consume jobs", worker.instance())
}
