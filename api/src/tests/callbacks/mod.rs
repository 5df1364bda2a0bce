//! Tests of callbacks.
//!
//! They are posted to real receivers on loopback, which the operator allows, and refused by
//! default.

mod posted;
mod receiver;
mod refused;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warren_config::Env;
use warren_protocol::ids::JobId;
use warren_queue::{ApiQueue, Callback};

use super::bench::{Bench, Does, SOON};
use crate::callbacks::{CallbackConfig, CallbackCounts, Lookup, Posting};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LOOPBACK: (&str, &str) = ("WARREN_CALLBACK_ALLOW", "127.0.0.0/8");

/// Returns the callback settings of these variables.
fn configured(variables: &[(&str, &str)]) -> Option<CallbackConfig> {
    let all = [("WARREN_WEBHOOK_SECRET", SECRET)];
    let all = all.iter().chain(variables);
    let mut env: Env = all
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let config = CallbackConfig::from_env(&mut env);
    env.finish().unwrap();
    config
}

/// Returns an API that posts, with a worker whose programs print this.
async fn bench(variables: &[(&str, &str)]) -> Bench {
    let config = configured(variables);
    let bench = Bench::with(|settings| settings.callbacks = config).await;
    bench.api.record_unclaimed().await.unwrap();
    bench.worker(Does::Prints("hello\n")).await;
    bench
}

/// Submits a job with a callback to that address. Returns its id.
async fn submit(bench: &Bench, url: &str) -> String {
    let body = json!({ "language": "python", "code": "print('hello')", "callbackUrl": url });
    let answer = bench.post(&body.to_string()).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    answer.body["jobId"].as_str().unwrap().to_owned()
}

/// Queues a callback for a job that is recorded, as if it had been accepted.
async fn queue(bench: &Bench, url: &str) {
    let answer = bench.post(super::bench::HELLO).await;
    let id = answer.body["jobId"].as_str().unwrap();
    bench.recorded(id, "completed").await;
    let job: JobId = id.parse().unwrap();
    let callback = Callback::new(job, url.parse().unwrap());
    bench.queue.queue_callback(&callback).await.unwrap();
}

/// Waits until the counts are as wanted.
async fn until(bench: &Bench, what: &str, wanted: impl Fn(CallbackCounts) -> bool) {
    let start = Instant::now();
    loop {
        let counts = bench.api.callbacks.counts();
        if wanted(counts) {
            return;
        }
        assert!(start.elapsed() < SOON, "never {what}: {counts:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A name server with fixed answers, which counts its queries.
#[derive(Default)]
struct Names {
    known: Mutex<Vec<(String, Vec<IpAddr>)>>,
    asked: AtomicUsize,
}

impl Names {
    fn of(names: &[(&str, &[&str])]) -> Arc<Self> {
        let known = names.iter().map(|(name, addresses)| {
            let addresses = addresses.iter().map(|text| text.parse().unwrap());
            ((*name).to_owned(), addresses.collect())
        });
        Arc::new(Self {
            known: Mutex::new(known.collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Lookup for Names {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let known = self.known.lock().unwrap();
            let found = known.iter().find(|(known, _)| known == name);
            found
                .map(|(_, addresses)| addresses.clone())
                .ok_or_else(|| io::Error::other("no such name"))
        })
    }
}

/// Posts with these names instead of this machine's resolver.
async fn post_by(bench: &Bench, names: &Arc<Names>, stop: CancellationToken) -> Posting {
    let queue = bench.queue.as_ref();
    let lookup = Arc::clone(names) as Arc<dyn Lookup>;
    let posting = bench
        .api
        .callbacks
        .post_by(queue, Arc::clone(&bench.store), lookup, stop);
    posting.await.unwrap()
}
