//! Tests of rate limits and of their headers.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Method;
use axum::http::request::Builder;

use super::bench::{Answer, Bench, Does, EXECUTE, HELLO, request, send};
use crate::access::auth::{ApiKey, AuthConfig};
use crate::access::rate::{Limit, RateConfig};

/// So few a minute that none comes back while a test runs, however slowly.
fn few(number: u32) -> Option<Limit> {
    let number = NonZeroU32::new(number).unwrap();
    Some(Limit::new(NonZeroU32::MIN, Some(number)).unwrap())
}

async fn bench(rate: RateConfig) -> Bench {
    let bench = Bench::with(|config| config.rate = rate).await;
    bench.worker(Does::Prints("hello\n")).await;
    bench
}

fn job(path: &str) -> Builder {
    request(Method::POST, path).header("content-type", "application/json")
}

async fn submit(bench: &Bench, job: Builder) -> Answer {
    send(&bench.api.router, job.body(HELLO.into()).unwrap()).await
}

/// Sets the peer's address, as the server does.
fn from(job: Builder, peer: &str) -> Builder {
    let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
    job.extension(ConnectInfo(peer))
}

fn told(answer: &Answer) -> [Option<&str>; 2] {
    [
        answer.header("ratelimit-limit"),
        answer.header("ratelimit-remaining"),
    ]
}

#[tokio::test]
async fn a_caller_over_the_limit_is_told_when_to_retry() {
    let rate = RateConfig {
        caller: few(2),
        ..RateConfig::default()
    };
    let bench = bench(rate).await;
    for remaining in ["1", "0"] {
        let answer = submit(&bench, job(EXECUTE)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(told(&answer), [Some("2"), Some(remaining)]);
        let reset: u64 = answer.header("ratelimit-reset").unwrap().parse().unwrap();
        assert!((1..=120).contains(&reset), "{reset}");
    }
    let answer = submit(&bench, job(EXECUTE)).await;
    assert_eq!(answer.error(429, "rate_limited")["limit"], 2);
    assert_eq!(told(&answer), [Some("2"), Some("0")]);

    // Reads cost less, and so are allowed more often; probes are not counted.
    let answer = bench.get("/api/executions/none").await;
    assert_eq!(answer.status, 400);
    assert_eq!(told(&answer), [Some("20"), Some("19")]);
    for _ in 0..30 {
        let answer = bench.get("/api/health").await;
        assert_eq!((answer.status.as_u16(), told(&answer)), (200, [None, None]));
    }
}

#[tokio::test]
async fn without_limits_there_are_no_rate_limit_headers() {
    let bench = bench(RateConfig::default()).await;
    assert_eq!(told(&submit(&bench, job(EXECUTE)).await), [None, None]);
}

#[tokio::test]
async fn each_address_is_counted_and_forged_ones_are_not() {
    let rate = RateConfig {
        caller: few(1),
        ..RateConfig::default()
    };
    let bench = bench(rate).await;
    let spoofing =
        |number: u8| job(EXECUTE).header("x-forwarded-for", format!("198.51.100.{number}"));
    let answer = submit(&bench, from(spoofing(1), "192.0.2.1")).await;
    assert_eq!(answer.status, 200);
    for number in 2..5 {
        let answer = submit(&bench, from(spoofing(number), "192.0.2.1")).await;
        answer.error(429, "rate_limited");
    }
    let answer = submit(&bench, from(spoofing(1), "192.0.2.2")).await;
    assert_eq!(answer.status, 200, "another has its own");
}

#[tokio::test]
async fn behind_a_proxy_its_clients_are_counted() {
    let rate = RateConfig {
        caller: few(1),
        proxies: "10.0.0.0/8".parse().unwrap(),
        ..RateConfig::default()
    };
    let bench = bench(rate).await;
    // The proxy appends; what comes before, the client has sent.
    for (forwarded, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.2", 200),
        ("192.0.2.3, 192.0.2.1", 429),
        ("192.0.2.4, 192.0.2.2", 429),
    ] {
        let job = job(EXECUTE).header("x-forwarded-for", forwarded);
        let answer = submit(&bench, from(job, "10.0.0.1")).await;
        assert_eq!(answer.status, status, "{forwarded}");
    }
}

#[tokio::test]
async fn keys_have_limits_of_their_own_and_rooms_theirs() {
    let keys = [(); 3].map(|()| ApiKey::generate().unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    let stanza = |name: &str, key: &ApiKey, more: &str| {
        format!(
            "[[key]]\nname = \"{name}\"\nsha256 = \"{}\"\n{more}\n",
            key.hash()
        )
    };
    let text = [
        stanza("a", &keys[0], ""),
        stanza("b", &keys[1], "requests_per_minute = 1\nburst = 3"),
        stanza("c", &keys[2], "requests_per_minute = 1\nburst = 9"),
    ];
    fs::write(file.path(), text.concat()).unwrap();
    let bench = Bench::with(|config| {
        config.auth = AuthConfig {
            keys_file: Some(file.path().to_owned()),
            ..AuthConfig::default()
        };
        config.rate = RateConfig {
            caller: few(1),
            room: few(5),
            ..RateConfig::default()
        };
    })
    .await;
    bench.worker(Does::Prints("")).await;
    let room = "/api/rooms/room-2/execute";
    for (key, path, status, left) in [
        (0, EXECUTE, 200, ["1", "0"]),
        (0, EXECUTE, 429, ["1", "0"]),
        (1, EXECUTE, 200, ["3", "2"]),
        (1, EXECUTE, 200, ["3", "1"]),
        (1, EXECUTE, 200, ["3", "0"]),
        // A refused request does not count against its room.
        (1, EXECUTE, 429, ["3", "0"]),
        (2, EXECUTE, 200, ["5", "0"]),
        (2, EXECUTE, 429, ["5", "0"]),
        (2, room, 200, ["5", "4"]),
    ] {
        let job = job(path).header("x-api-key", keys[key].reveal());
        let answer = submit(&bench, job).await;
        assert_eq!(answer.status, status, "{key} {path}: {}", answer.body);
        assert_eq!(told(&answer), left.map(Some), "{key} {path}");
    }
    let job = job(room).body(Body::empty()).unwrap();
    let answer = send(&bench.api.router, job).await;
    answer.error(401, "unauthenticated");
}
