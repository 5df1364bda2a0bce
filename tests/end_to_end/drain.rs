//! Stopping Warren while it works.

use crate::harness::http::{self, program};
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
async fn a_configuration_that_cannot_be_used_is_told_whole() {
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
