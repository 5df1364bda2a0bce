//! Stops Warren while it works.

use serde_json::json;
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::time::Deadline;
use warren_queue::{ApiQueue, RabbitApi, RabbitConfig};

use crate::harness::broker::{Broker, free_ports};
use crate::harness::http::{self, Answer, program};
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::{SOON, until};
use crate::harness::{machine, warren::Warren};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_answered_before_the_process_ends() {
    let _machine = machine::shared().await;
    let mut warren = Warren::start("up", &[]).await.expect("warren up starts");
    let url = warren.execute_url();
    let running = tokio::spawn(async move {
        http::submit(
            url,
            &program("python", "import time\ntime.sleep(1.5)\nprint('done')"),
        )
        .await
    });
    warren.until_a_job_runs().await;
    assert!(
        !running.is_finished(),
        "the job ended before it was seen to run"
    );
    warren.terminate();
    let answer = running.await.expect("no panic").expect("an answer");
    assert_eq!(
        (answer.status, answer.text("stdout")),
        (200, "done\n"),
        "{}",
        answer.body
    );
    let status = tokio::task::spawn_blocking(move || warren.wait())
        .await
        .expect("no panic")
        .expect("it ends");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn all_faults_of_an_unusable_configuration_are_reported() {
    let mut warren = Warren::spawn(
        "up",
        &[("WARREN_SLOTS", "many"), ("WARREN_POLICY", "perhaps")],
    )
    .expect("it starts");
    let status = warren.wait().expect("it ends");
    assert_eq!(status.code(), Some(2));
    let log = warren.log();
    assert!(
        log.contains("WARREN_SLOTS") && log.contains("WARREN_POLICY"),
        "{log}"
    );
}

#[tokio::test]
async fn api_and_worker_alone_need_a_broker_and_say_so() {
    for command in ["api", "worker"] {
        let mut warren = Warren::spawn(command, &[]).expect("it starts");
        assert_eq!(warren.wait().expect("it ends").code(), Some(2));
        assert!(warren.log().contains("RABBITMQ_URL"), "{}", warren.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_process_at_once() {
    let _machine = machine::shared().await;
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let mut warren = Warren::start("up", &[]).await.expect("warren up starts");
        let url = warren.execute_url();
        let endless = program("python", "import time\ntime.sleep(60)");
        let cut = tokio::spawn(async move { http::submit(url, &endless).await });
        warren.until_a_job_runs().await;
        warren.signal(signal);
        warren.until_logged("stopping; taking no new work").await;
        warren.signal(signal);
        let ended = warren.wait().expect("it ends");
        assert_eq!(ended.code(), Some(status), "{ended}");
        assert!(
            cut.await.expect("no panic").is_err(),
            "its caller is cut off"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_reports_it_until_its_last_job_is_answered() {
    let _machine = machine::shared().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = [("RABBITMQ_URL", url.as_str())];
    let mut worker = Warren::start("worker", &broker)
        .await
        .expect("a worker starts");
    let api = Warren::start("api", &broker).await.expect("the API starts");
    let probe = format!("{}/readyz", worker.worker.as_ref().expect("a worker"));
    let ready = http::get(probe.clone()).await.expect("an answer");
    assert_eq!(ready.status, 200, "{}", ready.raw);
    let slow = program("python", "import time\ntime.sleep(2)\nprint('done')");
    let (answer, ()) = tokio::join!(api.submit(&slow), async {
        worker.until_a_job_runs().await;
        worker.terminate();
        worker.until_logged("stopping; taking no new work").await;
        loop {
            let told = http::get(probe.clone()).await;
            let told = told.expect("it serves while its job runs");
            if told.status == 503 {
                assert_eq!(told.raw, "draining\n");
                break;
            }
        }
    });
    let answer = answer.expect("an answer");
    let told = (answer.status, answer.text("stdout"));
    assert_eq!(told, (200, "done\n"), "{}", answer.body);
    assert_eq!(worker.wait().expect("it ends").code(), Some(0));
}

/// Nothing can be done about a broker that is gone. What the worker could not publish is run again.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lacks_only_its_broker_ends_in_order() {
    let _machine = machine::shared().await;
    let mut broker = Broker::run().await.expect("a broker starts");
    let url = broker.amqp_url();
    let variables = [("RABBITMQ_URL", url.as_str()), ("WARREN_DRAIN_MS", "15000")];
    let start = async || {
        let worker = Warren::start("worker", &variables).await;
        worker.expect("a worker starts")
    };
    let mut worker = start().await;
    let config = RabbitConfig::new(&url, InstanceId::new("api")).expect("an address");
    let api = RabbitApi::new(config, &CancellationToken::new());
    let submission = json!({
        "language": "python", "code": "import time\ntime.sleep(1)\nprint('done')",
        "input": null, "test_cases": [],
    });
    let job = Job::new(
        "tests".parse().expect("a room"),
        serde_json::from_value(submission).expect("a submission"),
        Limits::default(),
        Deadline::after(SOON),
    );
    until(SOON, "the job to be accepted", async || {
        api.submit_unattended(&job).await.is_ok()
    })
    .await;
    worker.until_a_job_runs().await;
    broker.kill();
    worker.terminate();
    let ended = worker.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0), "{}", worker.log());
    let log = worker.log();
    assert!(log.contains("replies cannot be published"), "{log}");

    broker.start().await.expect("the broker starts again");
    let next = start().await;
    let mut recorded = api
        .unclaimed(CancellationToken::new())
        .await
        .expect("a feed");
    let reply = tokio::time::timeout(SOON, recorded.recv()).await;
    let recorded = reply.expect("a reply").expect("the feed goes on");
    assert_eq!(recorded.reply.job_id, job.id, "{}", next.log());
    let outcome = recorded.reply.result.as_ref().expect("a verdict");
    assert_eq!(outcome.status().as_str(), "completed", "{outcome:?}");
    recorded.acknowledge();
}

/// The number of times that a job may be late which has to be begun twice within its caller's five
/// seconds.
const TRIES: usize = 6;

/// A job that does not end in time is not lost with its worker, and this does not count as a try.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_the_grace_period_goes_to_another_worker() {
    let _machine = machine::alone().await;
    let mut tries = 1..=TRIES;
    while let Err(late) = end_a_hasty_worker_at_work().await {
        // On a busy machine two starts may not fit into a caller's time.
        let number = tries.next();
        assert!(number.is_some(), "late {TRIES} times: {}", late.body);
        eprintln!("try {number:?} was late: {}", late.body);
    }
}

/// Ends a worker that runs a job while another is there. Returns the answer if it was late.
async fn end_a_hasty_worker_at_work() -> Result<(), Answer> {
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let broker = ("RABBITMQ_URL", url.as_str());
    let hasty = [broker, ("WARREN_DRAIN_MS", "1000")];
    let start = async || {
        let worker = Warren::start("worker", &hasty).await;
        worker.expect("a worker starts")
    };
    let mut workers = [start().await, start().await];
    let api = Warren::start("api", &[broker])
        .await
        .expect("the API starts");
    let slow = program("python", "import time\ntime.sleep(1.5)\nprint('done')");
    let (answer, (first, ended)) = tokio::join!(api.submit(&slow), async {
        until(SOON, "a worker to run the job", async || {
            workers.iter().any(|worker| !worker.begun().is_empty())
        })
        .await;
        let at_work = workers.iter().position(|worker| !worker.begun().is_empty());
        let at_work = at_work.expect("it was there a moment ago");
        workers[at_work].terminate();
        (at_work, workers[at_work].wait().expect("it ends"))
    });
    let [first, second] = [&workers[first], &workers[1 - first]];
    let answer = answer.expect("an answer");
    if answer.is_late() {
        return Err(answer);
    }
    let told = (answer.status, answer.text("stdout"));
    assert_eq!(told, (200, "done\n"), "{}", answer.body);
    assert_eq!(ended.code(), Some(3), "{}", first.log());
    assert!(first.log().contains("handed back"), "{}", first.log());
    let comes_back = "a job came back";
    assert!(
        !second.log().contains(comes_back),
        "it was no try: {}",
        second.log()
    );
    Ok(())
}

/// Two APIs, two workers, and callers that try the other API when one refuses connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_nothing() {
    let _machine = machine::alone().await;
    let vhost = Vhost::fresh().await;
    let url = vhost.amqp_url();
    let ports = free_ports::<2>();
    let addresses = ports.map(|port| format!("127.0.0.1:{port}"));
    let start = async |command: &str, address: &str| {
        let variables = [
            ("RABBITMQ_URL", url.as_str()),
            ("WARREN_API_ADDR", address),
            ("WARREN_SLOTS", "2"),
            ("WARREN_POOL_SIZE", "1"),
        ];
        let started = Warren::start(command, &variables).await;
        started.unwrap_or_else(|error| panic!("{command} starts: {error:#}"))
    };
    let mut workers = Vec::new();
    let mut apis = Vec::new();
    for address in &addresses {
        workers.push(start("worker", "127.0.0.1:0").await);
        apis.push(start("api", address).await);
    }
    let stop = CancellationToken::new();
    let callers: Vec<_> = (0..2)
        .map(|caller| tokio::spawn(call_until(stop.clone(), caller, addresses.clone())))
        .collect();
    for turn in 0..2 {
        let command = [("worker", &mut workers[turn]), ("api", &mut apis[turn])];
        for (command, process) in command {
            process.terminate();
            let ended = process.wait().expect("it ends");
            assert_eq!(ended.code(), Some(0), "{command}: {}", process.log());
            *process = start(command, &addresses[turn]).await;
        }
    }
    stop.cancel();
    let mut answered = 0;
    for caller in callers {
        answered += caller
            .await
            .expect("each request is answered with its own output");
    }
    eprintln!("{answered} requests answered during a rolling restart");
    assert!(answered >= 8, "{answered} requests are no load");
}

/// Calls until `stop`. Each answer must be what the program must print. Returns the number of
/// answers.
async fn call_until(stop: CancellationToken, caller: usize, addresses: [String; 2]) -> u32 {
    let mut number = 0;
    let mut refused = 0;
    while !stop.is_cancelled() {
        let mark = format!("{caller}-{number}");
        let code = format!("import time\ntime.sleep(0.05)\nprint('{mark}')");
        let address = &addresses[(caller + refused) % 2];
        let url = format!("http://{address}/api/rooms/tests/execute");
        match http::submit(url, &program("python", &code)).await {
            // A machine that is busy starting processes may have no time; then the job is refused,
            // not lost.
            Ok(answer) if answer.error_code() == "overloaded" => {}
            Ok(answer) => {
                let told = (answer.status, answer.text("stdout"));
                assert_eq!(told, (200, format!("{mark}\n").as_str()), "{}", answer.body);
                number += 1;
            }
            Err(error) => {
                let text = format!("{error:#}");
                assert!(
                    text.contains("refused"),
                    "neither an answer nor refused: {text}"
                );
                refused += 1;
            }
        }
    }
    number
}
