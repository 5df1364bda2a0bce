//! Tests of ID tokens: accepted ones and refused ones.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use jsonwebtoken::get_current_timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::bench::{Answer, Bench, Does, EXECUTE, HELLO, post, request, send};
use super::issuer::{Issuer, PROJECT, Signer, claims, unsigned, with_secret};
use crate::access::auth::AuthConfig;

pub(super) async fn bench(auth: AuthConfig) -> Bench {
    let bench = Bench::with(|config| config.auth = auth).await;
    bench.worker(Does::Prints("hello\n")).await;
    bench
}

pub(super) async fn ask(bench: &Bench, token: &str) -> Answer {
    send(&bench.api.router, bearing(post(EXECUTE, HELLO), token)).await
}

pub(super) fn bearing(mut request: Request<Body>, token: &str) -> Request<Body> {
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    request
}

/// Sends requests until the answer has this status.
async fn until(bench: &Bench, token: &str, status: u16) -> Answer {
    let started = Instant::now();
    loop {
        let answer = ask(bench, token).await;
        if answer.status == status {
            return answer;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{}",
            answer.body
        );
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_users_token_lets_in() {
    let signer = Signer::one();
    let issuer = Issuer::of(&[&signer]).await;
    let bench = bench(issuer.config()).await;
    let token = signer.token(&claims(&json!({})));
    let answer = ask(&bench, &token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let path = format!("/api/executions/{}", answer.body["jobId"].as_str().unwrap());
    let read = || request(Method::GET, &path).body(Body::empty()).unwrap();
    let refused = send(&bench.api.router, read()).await;
    refused.error(401, "unauthenticated");
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"warren\"")
    );
    let read = send(&bench.api.router, bearing(read(), &token)).await;
    assert_ne!(read.status, 401, "{}", read.body);

    // Clocks differ a little.
    let now = get_current_timestamp();
    for near in [
        json!({"exp": now - 5}),
        json!({"iat": now + 5, "nbf": now + 5}),
        json!({"aud": ["other", PROJECT]}),
    ] {
        let answer = ask(&bench, &signer.token(&claims(&near))).await;
        assert_eq!(answer.status, 200, "{near}: {}", answer.body);
    }
}

#[tokio::test]
async fn no_other_token_does() {
    let (signer, stranger) = (Signer::one(), Signer::two());
    let issuer = Issuer::of(&[&signer]).await;
    let bench = bench(issuer.config()).await;
    let now = get_current_timestamp();
    let good = claims(&json!({}));
    let changed = |changes: Value| signer.token(&claims(&changes));
    let head = |algorithm: &str| json!({"alg": algorithm, "kid": signer.id});
    let right = signer.token(&good);
    let (_, signature) = right.rsplit_once('.').unwrap();
    let public = signer.components();
    let other_user = unsigned(&head("RS256"), &claims(&json!({"sub": "user-2"})));
    let mut with_key = head("RS256");
    with_key["jwk"] = stranger.jwk();
    let mut critical = head("RS256");
    critical["crit"] = json!(["b64"]);

    for (name, token, reason) in [
        (
            "forged: another's signature under the issuer's key id",
            Signer::two().called("one").token(&good),
            "signature",
        ),
        (
            "forged: a good signature under other claims",
            format!("{other_user}.{signature}"),
            "signature",
        ),
        (
            "forged: no signature",
            format!("{}.", unsigned(&head("RS256"), &good)),
            "signature",
        ),
        (
            "brings its own key along",
            stranger.with_head(&with_key, &good),
            "signature",
        ),
        ("unknown key", stranger.token(&good), "unknown_signer"),
        (
            "no key id, and not the only key",
            stranger.with_head(&json!({"alg": "RS256"}), &good),
            "signature",
        ),
        (
            "alg none, no signature",
            format!("{}.", unsigned(&head("none"), &good)),
            "algorithm",
        ),
        (
            "alg None, a good signature",
            signer.with_head(&head("None"), &good),
            "algorithm",
        ),
        (
            "alg HS256, the modulus as its secret",
            with_secret(&public.n, &head("HS256"), &good),
            "algorithm",
        ),
        (
            "alg HS256, the published key as its secret",
            with_secret(signer.jwk().to_string().as_bytes(), &head("HS256"), &good),
            "algorithm",
        ),
        (
            "alg RS512",
            signer.with_head(&head("RS512"), &good),
            "algorithm",
        ),
        (
            "alg PS256",
            signer.with_head(&head("PS256"), &good),
            "algorithm",
        ),
        (
            "an extension that must be understood",
            signer.with_head(&critical, &good),
            "malformed",
        ),
        ("expired", changed(json!({"exp": now - 60})), "expired"),
        ("never expires", changed(json!({"exp": null})), "claims"),
        (
            "expires at a word",
            changed(json!({"exp": "never"})),
            "claims",
        ),
        (
            "not yet valid",
            changed(json!({"nbf": now + 120})),
            "not_yet_valid",
        ),
        (
            "issued in the future",
            changed(json!({"iat": now + 120})),
            "not_yet_valid",
        ),
        (
            "signed in in the future",
            changed(json!({"auth_time": now + 120})),
            "not_yet_valid",
        ),
        (
            "never signed in",
            changed(json!({"auth_time": null})),
            "claims",
        ),
        ("never issued", changed(json!({"iat": null})), "claims"),
        (
            "wrong audience",
            changed(json!({"aud": "another-project"})),
            "audience",
        ),
        (
            "wrong audiences",
            changed(json!({"aud": ["a", "b"]})),
            "audience",
        ),
        ("no audience", changed(json!({"aud": null})), "claims"),
        (
            "wrong issuer",
            changed(json!({"iss": "https://securetoken.google.com/another-project"})),
            "issuer",
        ),
        (
            "several issuers",
            changed(json!({"iss": [good["iss"], "https://evil.example"]})),
            "claims",
        ),
        ("no issuer", changed(json!({"iss": null})), "claims"),
        ("no user", changed(json!({"sub": null})), "claims"),
        (
            "a user without a name",
            changed(json!({"sub": ""})),
            "claims",
        ),
        (
            "a user with too long a name",
            changed(json!({"sub": "u".repeat(256)})),
            "claims",
        ),
        ("garbage", "garbage".to_owned(), "malformed"),
        ("garbage in parts", "a.b.c".to_owned(), "malformed"),
        ("too long", "a".repeat(20_000), "malformed"),
        (
            "a part too many",
            format!("{right}.{signature}"),
            "malformed",
        ),
        (
            "an API key",
            format!("wk_{}", "a".repeat(43)),
            "keys_not_taken",
        ),
    ] {
        let answer = ask(&bench, &token).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.body);
        let details = answer.error(401, "invalid_credentials");
        assert_eq!(details["reason"], reason, "{name}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"));
    }
    assert_eq!(
        ask(&bench, &right).await.status,
        200,
        "and this one is let in"
    );
}

#[tokio::test]
async fn credentials_are_sent_once_and_as_a_bearer() {
    let signer = Signer::one();
    let issuer = Issuer::of(&[&signer]).await;
    let bench = bench(issuer.config()).await;
    let token = signer.token(&claims(&json!({})));
    for headers in [
        &[("authorization", format!("Basic {token}"))][..],
        &[("authorization", token.clone())],
        &[
            ("authorization", format!("Bearer {token}")),
            ("authorization", format!("Bearer {token}")),
        ],
        &[
            ("authorization", format!("Bearer {token}")),
            ("x-api-key", token.clone()),
        ],
        &[("x-api-key", token.clone())],
    ] {
        let mut request = post(EXECUTE, HELLO);
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let answer = send(&bench.api.router, request).await;
        answer.error(401, "invalid_credentials");
    }
    for path in ["/livez", "/readyz", "/api/health"] {
        assert_eq!(bench.get(path).await.status, 200, "{path} is open");
    }
}

#[tokio::test]
async fn a_new_key_is_taken_and_a_withdrawn_one_is_not() {
    let (old, new) = (Signer::one(), Signer::two());
    let issuer = Issuer::of(&[&old]).await;
    let bench = bench(issuer.config_with(|provider| {
        provider.fetch_policy.cooldown = Duration::from_millis(20);
    }))
    .await;
    let token = |signer: &Signer| signer.token(&claims(&json!({})));
    assert_eq!(ask(&bench, &token(&old)).await.status, 200);
    issuer.publish(&[&new]);
    until(&bench, &token(&new), 200).await;
    let answer = ask(&bench, &token(&old)).await;
    assert_eq!(
        answer.error(401, "invalid_credentials")["reason"],
        "unknown_signer"
    );
}

#[tokio::test]
async fn unknown_keys_do_not_have_the_issuer_asked_each_time() {
    let signer = Signer::one();
    let issuer = Issuer::of(&[&signer]).await;
    let bench = bench(issuer.config_with(|provider| {
        provider.fetch_policy.cooldown = Duration::from_secs(3600);
    }))
    .await;
    assert_eq!(
        ask(&bench, &signer.token(&claims(&json!({})))).await.status,
        200
    );
    let forged = Signer::two().token(&claims(&json!({})));
    let all = (0..50).map(|_| ask(&bench, &forged));
    for answer in futures_util::future::join_all(all).await {
        answer.error(401, "invalid_credentials");
    }
    assert_eq!(issuer.asked(), 1, "until it may be asked again");
}

#[tokio::test]
async fn known_keys_hold_while_the_issuer_is_away_and_not_for_ever() {
    let (signer, unknown) = (Signer::one(), Signer::two());
    let mut issuer = Issuer::of(&[&signer]).await;
    issuer.goes_away().await;
    let short = Duration::from_millis(20);
    let never = bench(issuer.config_with(|provider| provider.fetch_policy.cooldown = short)).await;
    let token = signer.token(&claims(&json!({})));
    ask(&never, &token).await.error(503, "auth_unavailable");
    issuer.comes_back().await;
    until(&never, &token, 200).await;

    // One of these two uses expired keys, and the other does not.
    let lapsing = |stale| {
        issuer.config_with(|provider| {
            (provider.fetch_policy.min_age, provider.fetch_policy.max_age) = (short, 10 * short);
            (provider.fetch_policy.cooldown, provider.fetch_policy.stale) = (short, stale);
        })
    };
    let holding = bench(lapsing(Duration::from_secs(3600))).await;
    let strict = bench(lapsing(Duration::ZERO)).await;
    assert_eq!(ask(&holding, &token).await.status, 200);
    until(&strict, &token, 200).await;
    issuer.goes_away().await;
    until(&strict, &token, 503)
        .await
        .error(503, "auth_unavailable");
    assert_eq!(ask(&holding, &token).await.status, 200);
    let answer = ask(&holding, &unknown.token(&claims(&json!({})))).await;
    answer.error(503, "auth_unavailable");
}

#[tokio::test]
async fn an_empty_key_set_is_not_accepted() {
    let signer = Signer::one();
    let issuer = Issuer::of(&[]).await;
    let bench = bench(issuer.config_with(|provider| {
        provider.fetch_policy.cooldown = Duration::from_millis(20);
    }))
    .await;
    let token = signer.token(&claims(&json!({})));
    ask(&bench, &token).await.error(503, "auth_unavailable");
    issuer.publish(&[&signer]);
    until(&bench, &token, 200).await;
}
