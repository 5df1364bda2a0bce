//! Kills MongoDB and starts it again under load.
//!
//! No caller notices, and no record is missing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::harness::http::{self, program};
use crate::harness::machine;
use crate::harness::mongod::Mongod;
use crate::harness::wait::SOON;
use crate::harness::warren::Warren;

/// Requests in each part: before, during and after.
const REQUESTS: usize = 15;
/// The delay that an outage may add to an answer, which waits for no store: less than half of the
/// store's timeout.
const ADDED: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn mongodb_killed_under_load_costs_no_request_and_no_record() {
    let _machine = machine::alone().await;
    let mut mongod = Mongod::run().await.expect("a mongod starts");
    let uri = mongod.uri();
    let warren = Warren::start("up", &[("MONGODB_URI", &uri)]).await;
    let warren = warren.expect("warren starts");
    let api = warren.api.clone().expect("an API");
    let mut ids = Vec::new();
    // Warms up, so that nothing is done for the first time while it is measured.
    load(&warren, &mut ids, 5).await;

    let before = load(&warren, &mut ids, REQUESTS).await;
    mongod.kill();
    let during = load(&warren, &mut ids, REQUESTS).await;
    let health = http::get(format!("{api}/api/health")).await;
    let health = health.expect("an answer");
    assert_eq!(health.text("status"), "degraded", "{}", health.body);
    // An execution that is not written yet can be read nevertheless.
    let last = ids.last().expect("some");
    let held = http::get(format!("{api}/api/executions/{last}")).await;
    assert_eq!(held.expect("an answer").text("status"), "completed");
    mongod.start().expect("it starts again");
    let after = load(&warren, &mut ids, REQUESTS).await;
    mongod.until_writable().await.expect("it is back");
    println!("answers before, during and after, half and 95 %: {before:?} {during:?} {after:?}");

    let expected: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(expected.len(), ids.len());
    let started = Instant::now();
    loop {
        let listed = history(&api).await;
        let found: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(found.len(), listed.len(), "one is there twice");
        if found == expected {
            break;
        }
        assert!(found.is_subset(&expected));
        assert!(started.elapsed() < SOON, "{} of {}", found.len(), ids.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for part in [during, after] {
        // Only the median: a busy machine may be the cause of the slowest few.
        let ([before, _], [then, _]) = (before, part);
        assert!(then < before * 2 + ADDED, "{before:?}, then {then:?}");
    }
}

/// Sends so many requests, one after the other. Returns the times that half and 95 % of them did
/// not exceed.
async fn load(warren: &Warren, ids: &mut Vec<String>, requests: usize) -> [Duration; 2] {
    let mut times = Vec::new();
    for _ in 0..requests {
        let answer = warren.submit(&program("python", "print(1)")).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, answer.text("stdout")), (200, "1\n"));
        ids.push(answer.text("jobId").to_owned());
        times.push(answer.took);
    }
    times.sort();
    [50, 95].map(|percent| times[(times.len() - 1) * percent / 100])
}

/// Reads the whole history of the tests' room; returns an empty one while it cannot be read.
async fn history(api: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let url = format!("{api}/api/rooms/tests/executions?limit=30{cursor}");
        let page = http::get(url).await.expect("an answer");
        if page.status == 503 {
            return Vec::new();
        }
        let items = page.body["executions"].as_array().expect("a page");
        ids.extend(
            items
                .iter()
                .map(|item| item["jobId"].as_str().unwrap_or_default().to_owned()),
        );
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}
