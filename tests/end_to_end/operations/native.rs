//! The native engine's launcher in trouble: killed, wedged, or without a root.

use serde_json::json;

use crate::harness::engine::Engine;
use crate::harness::http::program;
use crate::harness::{http, machine, native, warren::Warren};

async fn up() -> Warren {
    let warren = Warren::start_on(Engine::Native, "up", &[]).await;
    let warren = warren.expect("warren up starts");
    warren.until_pool_is_full().await;
    warren
}

/// Runs a program, and returns what it printed.
async fn printed(warren: &Warren) -> String {
    let answer = warren.judged(&program("python", "print('fine')")).await;
    assert_eq!(answer.body["engine"], "native", "{}", answer.body);
    answer.text("stdout").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launcher_that_is_killed_takes_no_job_along() {
    let _machine = machine::alone().await;
    let warren = up().await;
    let before = native::launcher_of(warren.pid()).expect("a launcher");
    let sleeps = program("python", "import time\ntime.sleep(1)\nprint('slept')");
    let (answer, ()) = tokio::join!(warren.submit(&sleeps), async {
        warren.until_a_job_runs().await;
        native::signal("KILL", [before]);
    });
    let answer = answer.expect("an answer");
    // With another launcher's container, or not at all: never a wrong verdict.
    let is_right = answer.text("stdout") == "slept\n" || answer.is_late() || answer.status == 503;
    assert!(is_right, "{}", answer.body);
    warren.until_logged("starting another").await;
    warren.until_pool_is_full().await;
    assert_eq!(printed(&warren).await, "fine\n");
    let after = native::launcher_of(warren.pid());
    assert!(after.is_some_and(|after| after != before), "{after:?}");
    let instance = warren.instance();
    drop(warren);
    Engine::Native.until_none_of(&instance).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_does_not_answer_is_replaced_with_its_launcher() {
    let _machine = machine::alone().await;
    let warren = up().await;
    let before = native::launcher_of(warren.pid()).expect("a launcher");
    native::signal("STOP", native::children_of(before));
    warren
        .until_worker("down while it is silent", |health| {
            health["services"]["native"]["status"] == "down"
        })
        .await;
    warren.until_logged("it did not answer").await;
    warren
        .until_worker("well again", |health| {
            health["services"]["native"]["status"] == "ok"
                && health["services"]["languages"]["status"] == "ok"
        })
        .await;
    assert_eq!(printed(&warren).await, "fine\n");
    let after = native::launcher_of(warren.pid());
    assert!(after.is_some_and(|after| after != before), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_roots_takes_no_job_and_says_what_to_do() {
    let _machine = machine::shared().await;
    let nowhere = [("WARREN_ROOTFS_DIR", "/nowhere"), ("WARREN_POOL_SIZE", "0")];
    let warren = Warren::spawn_on(Engine::Native, "up", &nowhere);
    let mut warren = warren.expect("it starts");
    warren.until_listening().await.expect("it listens");
    let health = warren
        .until_worker("down", |health| {
            health["services"]["native"]["status"] == "down"
        })
        .await;
    let says = health["services"]["native"]["detail"].as_str();
    let says = says.unwrap_or_default();
    for part in ["/nowhere", "warren rootfs import"] {
        assert!(says.contains(part), "{part} in {says}");
    }
    assert_eq!(health["services"]["docker"], json!(null), "no fallback");
    let worker = warren.worker.clone().expect("a worker");
    let ready = http::get(format!("{worker}/readyz"))
        .await
        .expect("an answer");
    assert_eq!(ready.status, 503, "{}", ready.raw);
}
