//! The surroundings that an honest program counts on: names, time zones, shared memory.

use serde_json::json;

use crate::harness::http::program;
use crate::harness::{corpus, machine, warren::Warren};

async fn up() -> Warren {
    Warren::start("up", &[("WARREN_POLICY", "off")])
        .await
        .expect("warren up starts")
}

/// Runs the fixture and asserts that it printed this.
async fn prints(warren: &Warren, fixture: &str, expected: &str) {
    let submission = program(corpus::language(fixture), &corpus::source(fixture));
    let answer = warren.judged(&submission).await;
    assert_eq!(
        answer.text("stdout"),
        expected,
        "{fixture}: {}",
        answer.body
    );
    assert_eq!(answer.body["success"], true, "{fixture}: {}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn localhost_has_its_name() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let python = "127.0.0.1\n127.0.0.1\n";
    prints(&warren, "python/names_localhost.py", python).await;
    prints(&warren, "javascript/names_localhost.js", "127.0.0.1\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worlds_time_zones_are_known() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let python = "Shanghai 8:00:00\nNew York EDT\nKolkata +0530\n";
    prints(&warren, "python/time_zones.py", python).await;
    let javascript = "20:00 in Shanghai\n";
    prints(&warren, "javascript/time_zones.js", javascript).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_processes_share_locks_queues_and_memory() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let expected = "pool [0, 1, 4, 9, 16]\nlock 2\nqueue 7\nmemory b'hello'\n";
    prints(&warren, "python/multiprocessing_of_two.py", expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_shared_memory_reaches_the_next_case() {
    let _machine = machine::shared().await;
    let warren = up().await;
    let leaves = "\
import os
print(os.listdir('/dev/shm'), os.statvfs('/dev/shm').f_bfree == os.statvfs('/dev/shm').f_blocks)
os.makedirs('/dev/shm/deep/directory')
open('/dev/shm/file', 'w').write('x' * 1_000_000)
open('/dev/shm/deep/directory/file', 'w').write('x')
os.chmod('/dev/shm/deep', 0)
";
    let case = json!({"input": "", "expectedOutput": "[] True"});
    let submission = json!({
        "language": "python", "code": leaves, "testCases": [case, case, case],
    });
    let answer = warren.judged(&submission).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
}
