//! Issuer of ID tokens on this machine.
//!
//! It signs tokens, publishes its keys over HTTP, changes them, and disappears.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::get_current_timestamp;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warren_config::Env;
use warren_http::{Bounds, Drained, serve};

use crate::access::auth::{AuthConfig, Provider};

pub(super) const PROJECT: &str = "warren-tests";

/// A key pair, and the id under which it is published.
pub(super) struct Signer {
    pub(super) id: &'static str,
    pair: KeyPair,
}

impl Signer {
    pub(super) fn one() -> Self {
        Self::new("one", include_bytes!("keys/one.test-only.pkcs8.der"))
    }

    pub(super) fn two() -> Self {
        Self::new("two", include_bytes!("keys/two.test-only.pkcs8.der"))
    }

    fn new(id: &'static str, pkcs8: &[u8]) -> Self {
        let pair = KeyPair::from_pkcs8(pkcs8).unwrap();
        Self { id, pair }
    }

    /// Returns the same key under another id.
    pub(super) fn called(self, id: &'static str) -> Self {
        Self { id, ..self }
    }

    /// Returns its public half, as it is published.
    pub(super) fn jwk(&self) -> Value {
        let PublicKeyComponents { n, e } = self.components();
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e),
        })
    }

    pub(super) fn components(&self) -> PublicKeyComponents<Vec<u8>> {
        self.pair.public().into()
    }

    /// Returns a token that this key signed.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.with_head(
            &json!({"alg": "RS256", "typ": "JWT", "kid": self.id}),
            claims,
        )
    }

    /// Returns a token with this head, signed with this key whatever the head says.
    pub(super) fn with_head(&self, head: &Value, claims: &Value) -> String {
        let message = unsigned(head, claims);
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = SystemRandom::new();
        let signed = self.pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            message.as_bytes(),
            &mut signature,
        );
        signed.unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Returns a token's head and claims without a signature.
pub(super) fn unsigned(head: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(head), encode(claims))
}

/// Returns a token signed with a secret.
pub(super) fn with_secret(secret: &[u8], head: &Value, claims: &Value) -> String {
    let message = unsigned(head, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Returns Firebase's claims about a user, with these changes; a null removes a claim.
pub(super) fn claims(changes: &Value) -> Value {
    let now = get_current_timestamp();
    let mut claims = json!({
        "iss": format!("https://securetoken.google.com/{PROJECT}"), "aud": PROJECT,
        "sub": "user-1", "iat": now, "auth_time": now, "exp": now + 3600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_name, value| !value.is_null());
    claims
}

/// A publisher of keys.
pub(super) struct Issuer {
    address: SocketAddr,
    published: Published,
    serving: Option<(CancellationToken, JoinHandle<Drained>)>,
}

type Published = Arc<Mutex<(Value, usize)>>;

impl Issuer {
    /// Publishes the keys of these signers.
    pub(super) async fn of(signers: &[&Signer]) -> Self {
        let mut issuer = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            published: Arc::default(),
            serving: None,
        };
        issuer.publish(signers);
        issuer.comes_back().await;
        issuer
    }

    pub(super) fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        self.published.lock().unwrap().0 = json!({ "keys": keys });
    }

    /// Returns how often the keys were fetched.
    pub(super) fn asked(&self) -> usize {
        self.published.lock().unwrap().1
    }

    pub(super) async fn goes_away(&mut self) {
        let (stop, serving) = self.serving.take().unwrap();
        stop.cancel();
        serving.await.unwrap();
    }

    pub(super) async fn comes_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let published = Arc::clone(&self.published);
        let router = Router::new()
            .route("/keys", get(keys))
            .with_state(published);
        let stop = CancellationToken::new();
        let serving = serve(listener, router, stop.clone(), Bounds::default());
        self.serving = Some((stop, tokio::spawn(serving)));
    }

    /// Returns the API's settings for this issuer.
    pub(super) fn config(&self) -> AuthConfig {
        let url = format!("http://{}/keys", self.address);
        let mut env = Env::from([
            ("FIREBASE_PROJECT_ID", PROJECT),
            ("WARREN_OIDC_JWKS_URL", &url),
        ]);
        let mut config = AuthConfig::from_env(&mut env);
        env.finish().unwrap();
        // Here nobody is answered too late, however slow the machine.
        let policy = &mut config.provider.as_mut().unwrap().fetch_policy;
        (policy.wait, policy.timeout) = (Duration::from_secs(10), Duration::from_secs(10));
        config
    }

    /// The same, changed.
    pub(super) fn config_with(&self, change: impl FnOnce(&mut Provider)) -> AuthConfig {
        let mut config = self.config();
        change(config.provider.as_mut().unwrap());
        config
    }
}

async fn keys(State(published): State<Published>) -> impl IntoResponse {
    let mut published = published.lock().unwrap();
    published.1 += 1;
    (
        [(CACHE_CONTROL, "public, max-age=3600")],
        Json(published.0.clone()),
    )
}
