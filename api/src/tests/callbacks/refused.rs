//! Tests that nothing is posted where the operator did not allow it.

use std::net::Ipv4Addr;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::receiver::{Receiver, Rude, RudeReceiver};
use super::{LOOPBACK, Names, bench, post_by, queue, until};
use crate::tests::bench::{Bench, Does, HELLO};

async fn ask(bench: &Bench, url: &str, code: &str) {
    let body = json!({ "language": "python", "code": "1", "callbackUrl": url });
    let answer = bench.post(&body.to_string()).await;
    assert_eq!(answer.error(400, code)["field"], "callbackUrl", "{url}");
    // An address may hold its owner's secret.
    assert!(
        !answer.body.to_string().contains("hidden"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn what_would_be_refused_later_is_refused_at_once() {
    let bench = bench(&[]).await;
    for url in [
        "http://127.0.0.1:5001/hidden",
        "http://169.254.169.254/hidden",
        "http://[::1]/hidden",
        "http://[::ffff:127.0.0.1]/hidden",
        "http://0x7f.1/hidden",
        "http://2130706433/hidden",
        "http://localhost:5001/hidden",
        "https://localhost./hidden",
        "https://10.0.0.1/hidden",
        "https://example.com:25/hidden",
        "ftp://example.com/hidden",
        "https://user:hidden@example.com/",
        "/hidden",
        "",
    ] {
        ask(&bench, url, "invalid_callback_url").await;
    }
}

#[tokio::test]
async fn this_machines_own_addresses_are_refused_as_such() {
    let bench = bench(&[]).await;
    let own = if_addrs::get_if_addrs().unwrap();
    assert!(!own.is_empty());
    for address in own
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|ip| ip.is_ipv4())
    {
        let url = format!("http://{address}:5001/");
        let body = json!({ "language": "python", "code": "1", "callbackUrl": url });
        let answer = bench.post(&body.to_string()).await;
        let message = answer.body["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("this machine's own"), "{message}");
    }
}

#[tokio::test]
async fn what_the_operator_denies_is_refused_though_it_is_allowed() {
    let bench = bench(&[LOOPBACK, ("WARREN_CALLBACK_DENY", "127.0.0.0/9")]).await;
    ask(
        &bench,
        "http://127.0.0.1:5001/hidden",
        "invalid_callback_url",
    )
    .await;
    // As if it had been denied after it was accepted.
    let receiver = Receiver::new(Vec::new()).await;
    let (names, stop) = (Names::of(&[]), CancellationToken::new());
    queue(&bench, &receiver.url()).await;
    let _posting = post_by(&bench, &names, stop.clone()).await;
    until(&bench, "refused", |counts| counts.refused == 1).await;
    assert_eq!(receiver.more(), 0);
}

#[tokio::test]
async fn without_a_secret_nothing_is_accepted() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("")).await;
    ask(&bench, "https://example.com/hidden", "callbacks_off").await;
    assert_eq!(bench.post(HELLO).await.status.as_u16(), 200);
}

/// Returns names of this machine that lead to itself, whatever they are.
fn names_of_loopback() -> Vec<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let names = hosts.lines().flat_map(|line| {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let address: Option<Ipv4Addr> = words.next().and_then(|word| word.parse().ok());
        let is_own = address.is_some_and(|address| address.is_loopback());
        words.filter(move |_name| is_own).map(str::to_owned)
    });
    std::iter::once("localhost".to_owned())
        .chain(names)
        .collect()
}

#[tokio::test]
async fn what_leads_to_this_machine_is_not_called() {
    let bench = bench(&[]).await;
    // As if the operator had allowed it when it was accepted.
    let victim = RudeReceiver::new("127.0.0.1:0", Rude::Silent).await;
    let port = victim.address.port();
    let names = names_of_loopback().into_iter();
    let names = names.map(|name| format!("http://{name}:{port}/"));
    let mut urls: Vec<String> = names.collect();
    for host in [
        "127.0.0.1",
        "127.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "localhost.",
        "app.localhost",
    ] {
        urls.push(format!("http://{host}:{port}/"));
    }
    for url in &urls {
        queue(&bench, url).await;
    }
    let _posting = bench.api.post_callbacks().await.unwrap();
    until(&bench, "refused", |now| now.refused == urls.len() as u64).await;
    assert_eq!(bench.api.callbacks.counts().failed, 0);
    assert_eq!(victim.count(), 0, "somebody connected");
}

#[tokio::test]
async fn names_that_lead_to_what_is_ours_are_not_called() {
    let bench = bench(&[]).await;
    let victim = RudeReceiver::new("127.0.0.1:0", Rude::Silent).await;
    let names: [(&str, &[&str]); 7] = [
        ("loopback.example", &["127.0.0.1"]),
        ("metadata.example", &["169.254.169.254"]),
        ("six.example", &["::1"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
        ("private.example", &["10.0.0.1"]),
        ("first.example", &["127.0.0.1", "1.1.1.1"]),
        (
            "last.example",
            &["1.1.1.1", "2606:4700:4700::1111", "127.0.0.1"],
        ),
    ];
    for (name, _) in names {
        let url = format!("http://{name}:{}/", victim.address.port());
        // When it is submitted, it is not known where the name leads.
        let body = json!({ "language": "python", "code": "1", "callbackUrl": url });
        let answer = bench.post(&body.to_string()).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    }
    let asked = Names::of(&names);
    let _posting = post_by(&bench, &asked, CancellationToken::new()).await;
    until(&bench, "refused", |now| now.refused == 7).await;
    assert_eq!(victim.count(), 0, "somebody connected");
    assert_eq!(asked.asked.load(std::sync::atomic::Ordering::SeqCst), 7);
}

/// An allowed network is called, and its neighbours are not.
#[tokio::test]
async fn allowing_one_network_allows_no_other() {
    let bench = bench(&[LOOPBACK]).await;
    let mut receiver = Receiver::new(vec![]).await;
    let port = receiver.address.port();
    let names = Names::of(&[("six.example", &["::1"]), ("here.example", &["127.0.0.1"])]);
    let _posting = post_by(&bench, &names, CancellationToken::new()).await;
    queue(&bench, &format!("http://six.example:{port}/")).await;
    queue(&bench, &format!("http://[::1]:{port}/")).await;
    until(&bench, "refused", |now| now.refused == 2).await;
    queue(&bench, &format!("http://here.example:{port}/")).await;
    receiver.next().await;
    assert_eq!(receiver.more(), 0);
}
