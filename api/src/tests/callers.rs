//! Tests of API keys: acceptance, rooms, revocation.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tempfile::NamedTempFile;
use tokio::time::{Instant, sleep};

use super::bench::{Answer, Bench, Does, EXECUTE, HELLO, post, request, send};
use crate::access::auth::{ApiKey, AuthConfig};
use crate::access::middleware::{Access, guard};
use crate::access::rate::RateConfig;

/// A file of keys.
struct KeyFile(NamedTempFile);

impl KeyFile {
    /// Creates a file with these keys, and further settings for each.
    fn of(keys: &[(&ApiKey, &str)]) -> Self {
        let file = Self(NamedTempFile::new().unwrap());
        file.write(keys);
        file
    }

    fn write(&self, keys: &[(&ApiKey, &str)]) {
        let stanzas = keys.iter().zip(1..).map(|((key, more), number)| {
            format!(
                "[[key]]\nname = \"key-{number}\"\nsha256 = \"{}\"\n{more}\n",
                key.hash()
            )
        });
        fs::write(self.0.path(), stanzas.collect::<String>()).unwrap();
    }

    fn config(&self) -> AuthConfig {
        AuthConfig {
            keys_file: Some(PathBuf::from(self.0.path())),
            ..AuthConfig::default()
        }
    }
}

async fn bench(auth: AuthConfig) -> Bench {
    let bench = Bench::with(|config| config.auth = auth).await;
    bench.worker(Does::Prints("hello\n")).await;
    bench
}

async fn ask(bench: &Bench, method: Method, path: &str, key: &ApiKey) -> Answer {
    let body = if method == Method::POST { HELLO } else { "" };
    let request = request(method, path)
        .header("content-type", "application/json")
        .header("x-api-key", key.reveal());
    send(&bench.api.router, request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn a_known_key_lets_in_and_no_other() {
    let (known, unknown) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    let file = KeyFile::of(&[(&known, "")]);
    let bench = bench(file.config()).await;
    bench.post(HELLO).await.error(401, "unauthenticated");
    assert_eq!(ask(&bench, Method::POST, EXECUTE, &known).await.status, 200);
    let answer = ask(&bench, Method::POST, EXECUTE, &unknown).await;
    assert_eq!(
        answer.error(401, "invalid_credentials")["reason"],
        "unknown_key"
    );

    for (value, status) in [
        (format!("Bearer {}", known.reveal()), 200),
        (format!("bearer {}", known.reveal()), 200),
        (format!("Bearer {}", unknown.reveal()), 401),
        (format!("Bearer {}x", known.reveal()), 401),
        (format!("Bearer {}", known.hash()), 401),
        ("Bearer a.b.c".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
        ("Bearer wk_".to_owned(), 401),
    ] {
        let mut request = post(EXECUTE, HELLO);
        request
            .headers_mut()
            .insert("authorization", value.parse().unwrap());
        let answer = send(&bench.api.router, request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let (known, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    let file = KeyFile::of(&[(&known, ""), (&other, "")]);
    let bench = bench(file.config()).await;
    assert_eq!(ask(&bench, Method::POST, EXECUTE, &known).await.status, 200);
    file.write(&[(&other, "")]);
    let started = Instant::now();
    loop {
        let answer = ask(&bench, Method::POST, EXECUTE, &known).await;
        if answer.status == 401 {
            assert_eq!(
                answer.error(401, "invalid_credentials")["reason"],
                "unknown_key"
            );
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "still taken");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ask(&bench, Method::POST, EXECUTE, &other).await.status, 200);
}

#[tokio::test]
async fn a_key_for_some_rooms_sees_no_others() {
    let (narrow, wide) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    let file = KeyFile::of(&[(&narrow, "rooms = [\"course-*\"]"), (&wide, "")]);
    let bench = bench(file.config()).await;
    let mine = ask(&bench, Method::POST, "/api/rooms/course-1/execute", &narrow).await;
    assert_eq!(mine.status, 200, "{}", mine.body);
    let answer = ask(&bench, Method::POST, EXECUTE, &narrow).await;
    assert_eq!(answer.error(403, "forbidden_room")["room"], "room-1");
    // In whatever encoding.
    let written = "/api/rooms/%72oom-1/execute";
    let answer = ask(&bench, Method::POST, written, &narrow).await;
    answer.error(403, "forbidden_room");

    let others = ask(&bench, Method::POST, EXECUTE, &wide).await;
    for (answer, status) in [(&mine, 200), (&others, 404)] {
        let path = format!("/api/executions/{}", answer.body["jobId"].as_str().unwrap());
        let started = Instant::now();
        while ask(&bench, Method::GET, &path, &wide).await.status != 200 {
            assert!(started.elapsed() < Duration::from_secs(60), "not recorded");
            sleep(Duration::from_millis(10)).await;
        }
        let read = ask(&bench, Method::GET, &path, &narrow).await;
        assert_eq!(read.status, status, "{}", read.body);
    }
}

#[tokio::test]
async fn operator_routes_need_an_operators_key() {
    let (operator, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
    let file = KeyFile::of(&[(&operator, "operator = true"), (&other, "")]);
    let on = Arc::new(Access::start(file.config(), RateConfig::default()));
    let off = Arc::new(Access::start(AuthConfig::default(), RateConfig::default()));
    let router = |gate| {
        let routes = Router::new().route("/metrics", get(async || "{}"));
        routes.layer(from_fn_with_state(gate, guard))
    };
    let metrics = || request(Method::GET, "/metrics");
    for (gate, key, status) in [
        (&on, Some(&operator), 200),
        (&on, Some(&other), 403),
        (&on, None, 401),
        (&off, None, 200),
    ] {
        let request = match key {
            Some(key) => metrics().header("x-api-key", key.reveal()),
            None => metrics(),
        };
        let router = router(Arc::clone(gate));
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

#[tokio::test]
async fn browsers_may_ask_first_without_a_key() {
    let file = KeyFile::of(&[]);
    let bench = Bench::with(|config| {
        config.auth = file.config();
        config.origins = "http://localhost:3000".parse().unwrap();
    })
    .await;
    let preflight = request(Method::OPTIONS, EXECUTE)
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "POST");
    let answer = send(&bench.api.router, preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    let allowed = answer.header("access-control-allow-headers").unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("x-api-key"));
    bench.post(HELLO).await.error(401, "unauthenticated");
}
