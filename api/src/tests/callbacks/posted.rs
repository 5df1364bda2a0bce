//! Tests of posted callbacks, and of receivers that fail.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warren_protocol::time::EpochMillis;

use super::receiver::{Received, Receiver, Rude, RudeReceiver};
use super::{LOOPBACK, Names, SECRET, bench, post_by, queue, submit, until};
use crate::tests::bench::{Bench, Does, SOON};

/// Pauses of a millisecond, for two retries.
const HASTY: (&str, &str) = ("WARREN_CALLBACK_RETRY_MS", "1,1");

fn fails() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// Verifies a request as a receiver would, with another implementation than the one that signed.
fn verify(request: &Received) {
    let secret = STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let mut signed = Vec::new();
    for part in [
        request.header("webhook-id").as_bytes(),
        b".",
        request.header("webhook-timestamp").as_bytes(),
        b".",
        &request.body,
    ] {
        signed.extend_from_slice(part);
    }
    let signature = request.header("webhook-signature");
    let signature = STANDARD.decode(signature.strip_prefix("v1,").unwrap());
    hmac::verify(&key, &signed, &signature.unwrap()).unwrap();
}

#[tokio::test]
async fn a_result_is_posted_and_signed() {
    let bench = bench(&[LOOPBACK]).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    let mut receiver = Receiver::new(vec![]).await;
    let id = submit(&bench, &receiver.url()).await;
    let request = receiver.next().await;
    verify(&request);
    assert_eq!(request.path, "/hook?key=secret");
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), id);
    let sent: u64 = request.header("webhook-timestamp").parse().unwrap();
    let now = EpochMillis::now().get() / 1000;
    assert!((now - 60..=now).contains(&sent), "{sent} is not now");

    let event: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(event["type"], "execution.finished");
    let day = event["timestamp"].as_str().unwrap();
    assert!(day.starts_with("20") && day.ends_with('Z'), "{day}");
    // The posted body is what the API shows.
    let read = bench.recorded(&id, "completed").await.body;
    let mut data = event["data"].as_object().unwrap().clone();
    assert_eq!(
        data.remove("resultUrl").unwrap(),
        format!("/api/executions/{id}")
    );
    assert_eq!(data.remove("resultLeftOut").unwrap(), false);
    assert_eq!(Value::Object(data), read);
    assert_eq!(read["result"]["stdout"], "hello\n");
    until(&bench, "posted", |now| now.posted == 1).await;
    assert_eq!(receiver.more(), 0);
}

#[tokio::test]
async fn a_failed_callback_is_retried_and_then_given_up() {
    let bench = bench(&[LOOPBACK, HASTY]).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    let busy = (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "0")]);
    let mut receiver = Receiver::new(vec![fails(), busy.into_response()]).await;
    let id = submit(&bench, &receiver.url()).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let request = receiver.next().await;
        verify(&request);
        assert_eq!(request.header("webhook-id"), id);
        bodies.push(request.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    until(&bench, "posted", |now| {
        (now.posted, now.failed, now.retried) == (1, 2, 2)
    })
    .await;

    let mut receiver = Receiver::new(vec![fails(), fails(), fails(), fails()]).await;
    submit(&bench, &receiver.url()).await;
    until(&bench, "given up", |now| now.given_up == 1).await;
    for _ in 0..3 {
        receiver.next().await;
    }
    assert_eq!(receiver.more(), 0, "two pauses are three tries");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_retried() {
    let bench = bench(&[LOOPBACK, HASTY]).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    let mut receiver = Receiver::new(vec![StatusCode::GONE.into_response()]).await;
    submit(&bench, &receiver.url()).await;
    until(&bench, "given up", |now| now.given_up == 1).await;
    receiver.next().await;
    assert_eq!(receiver.more(), 0);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let bench = bench(&[LOOPBACK, ("WARREN_CALLBACK_RETRY_MS", "1")]).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    // Not even to an allowed address.
    let target = Receiver::new(vec![]).await;
    let there = target.url();
    for (given_up, (status, to)) in [
        (StatusCode::FOUND, there.as_str()),
        (StatusCode::TEMPORARY_REDIRECT, there.as_str()),
        (
            StatusCode::PERMANENT_REDIRECT,
            "http://169.254.169.254/latest/",
        ),
        (StatusCode::SEE_OTHER, "http://[::1]/"),
    ]
    .into_iter()
    .enumerate()
    {
        let redirect = || (status, [(LOCATION, to.to_owned())]).into_response();
        let mut receiver = Receiver::new(vec![redirect(), redirect()]).await;
        submit(&bench, &receiver.url()).await;
        receiver.next().await;
        receiver.next().await;
        until(&bench, "given up", |now| {
            now.given_up == 1 + given_up as u64
        })
        .await;
    }
    assert_eq!(target.more(), 0);
    assert_eq!(bench.api.callbacks.counts().posted, 0);
}

#[tokio::test]
async fn rude_receivers_do_not_hold_up_others() {
    let timeout = ("WARREN_CALLBACK_TIMEOUT_MS", "300");
    let bench = bench(&[LOOPBACK, ("WARREN_CALLBACK_RETRY_MS", "1"), timeout]).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    for (given_up, how) in [Rude::Silent, Rude::EndlessHead, Rude::Dripping]
        .into_iter()
        .enumerate()
    {
        let receiver = RudeReceiver::new("127.0.0.1:0", how).await;
        submit(&bench, &format!("http://{}/", receiver.address)).await;
        until(&bench, "given up", |now| {
            now.given_up == 1 + given_up as u64
        })
        .await;
        // On a busy machine a try may be over before it is seen here.
        assert!(receiver.count() <= 2, "{}", receiver.count());
    }
}

#[tokio::test]
async fn the_body_of_an_answer_is_not_waited_for() {
    let bench = bench(&[LOOPBACK]).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    let receiver = RudeReceiver::new("127.0.0.1:0", Rude::EndlessBody).await;
    submit(&bench, &format!("http://{}/", receiver.address)).await;
    until(&bench, "posted", |now| now.posted == 1).await;
}

#[tokio::test]
async fn a_slow_receiver_does_not_hold_up_another() {
    let bench = bench(&[LOOPBACK, ("WARREN_CALLBACK_TIMEOUT_MS", "30000")]).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    let slow = RudeReceiver::new("127.0.0.2:0", Rude::Silent).await;
    for _ in 0..70 {
        queue(&bench, &format!("http://{}/", slow.address)).await;
    }
    let mut receiver = Receiver::new(vec![]).await;
    submit(&bench, &receiver.url()).await;
    receiver.next().await;
    // No post to the slow one has ended yet: another would have begun in its place.
    assert!(slow.count() <= 8, "{}", slow.count());
    until(&bench, "put off", |now| now.put_off >= 62).await;
    assert_eq!(slow.most.load(std::sync::atomic::Ordering::SeqCst), 8);
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_what_was_checked_is_called() {
    let bench = bench(&[LOOPBACK]).await;
    let mut receiver = Receiver::new(vec![]).await;
    let names = Names::of(&[("hook.example", &["127.0.0.1"])]);
    let _posting = post_by(&bench, &names, CancellationToken::new()).await;
    let port = receiver.address.port();
    submit(&bench, &format!("http://hook.example:{port}/")).await;
    let request = receiver.next().await;
    assert_eq!(request.header("host"), format!("hook.example:{port}"));
    assert_eq!(names.asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_interrupted_callback_is_posted_by_another_api() {
    let bench = bench(&[LOOPBACK]).await;
    let receiver = RudeReceiver::new("127.0.0.1:0", Rude::Silent).await;
    let stop = CancellationToken::new();
    let posting = post_by(&bench, &Names::of(&[]), stop.clone()).await;
    submit(&bench, &format!("http://{}/", receiver.address)).await;
    let start = Instant::now();
    while receiver.count() == 0 {
        assert!(start.elapsed() < SOON, "never called");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    posting.end(Duration::ZERO).await;
    let (other, address) = (bench.queue.sibling(), receiver.address);
    drop(receiver);
    let mut receiver = loop {
        // The port may take a moment to be free.
        match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => break Receiver::on(listener, vec![]),
            Err(_taken) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let store = std::sync::Arc::clone(&bench.store);
    let posting = bench
        .api
        .callbacks
        .post(&other, store, CancellationToken::new());
    let _posting = posting.await.unwrap();
    verify(&receiver.next().await);
}

#[tokio::test]
async fn only_the_end_of_a_job_is_posted() {
    let config = super::configured(&[LOOPBACK]);
    let bench = Bench::with(|settings| {
        settings.callbacks = config;
        settings.wait = Duration::from_millis(500);
    })
    .await;
    bench.api.record_unclaimed().await.unwrap();
    let _posting = bench.api.post_callbacks().await.unwrap();
    bench
        .worker(Does::PrintsAfter(Duration::from_millis(800), "late\n"))
        .await;
    let mut receiver = Receiver::new(vec![]).await;
    let body = serde_json::json!({
        "language": "python", "code": "1", "callbackUrl": receiver.url(),
    });
    let answer = bench.post(&body.to_string()).await;
    let id = answer.error(504, "timed_out")["jobId"].clone();
    let event: Value = serde_json::from_slice(&receiver.next().await.body).unwrap();
    assert_eq!(event["data"]["jobId"], id);
    assert_eq!(event["data"]["status"], "completed");
    assert_eq!(receiver.more(), 0);
}

#[tokio::test]
async fn a_result_that_is_too_large_is_left_to_be_read() {
    let config = super::configured(&[LOOPBACK]);
    let bench = Bench::with(|settings| settings.callbacks = config).await;
    bench.worker(Does::Prints("x".repeat(2 << 20).leak())).await;
    let _posting = bench.api.post_callbacks().await.unwrap();
    let mut receiver = Receiver::new(vec![]).await;
    let id = submit(&bench, &receiver.url()).await;
    let request = receiver.next().await;
    assert!(request.body.len() < 2048);
    let event: Value = serde_json::from_slice(&request.body).unwrap();
    let data = &event["data"];
    assert_eq!(
        (&data["result"], &data["success"]),
        (&Value::Null, &true.into())
    );
    assert_eq!(data["resultLeftOut"], true);
    let url = data["resultUrl"].as_str().unwrap();
    assert_eq!(url, format!("/api/executions/{id}"));
    let read = bench.get(url).await.body;
    assert_eq!(read["result"]["stdout"].as_str().unwrap().len(), 2 << 20);
}
