//! Cache of an issuer's keys, refreshed by one task before they expire.
//!
//! A token that names an unknown key triggers an early fetch, at most once per cooldown.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use reqwest::header::{ACCEPT, CACHE_CONTROL};
use reqwest::{Client, StatusCode};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;
use warren_outbound::{ClientError, client_builder, read_bounded};
use warren_protocol::limits::ByteSize;

use super::fetch_policy::FetchPolicy;
use super::jwks::{Jwks, JwksFault};
use super::provider::JwksUrl;

/// The longest response that is read: a dozen keys with their certificates.
const MAX_ANSWER: ByteSize = ByteSize::kib(256);
/// The pause after a failed fetch; doubled with each further failure, up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// The part of their lifetime after which keys are fetched again.
const RIPE: f64 = 0.8;

/// The keys of an issuer, kept up to date until this is dropped.
pub(super) struct KeySet {
    known: watch::Receiver<Known>,
    wanted: Arc<Notify>,
    fetch_policy: FetchPolicy,
    _keeping: AbortOnDropHandle<()>,
}

/// The result of all fetches so far.
#[derive(Clone)]
struct Known {
    keys: Arc<Jwks>,
    /// The time until which the keys may be used; `None` while there are none.
    until: Option<Instant>,
    attempts: u64,
    last: LastFetch,
    /// The earliest time of the next fetch out of turn.
    cool: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LastFetch {
    Succeeded,
    Failed,
}

/// The reason why there is no key for a token.
pub(super) enum Missing {
    /// The issuer has no key with this id.
    Unknown,
    /// The issuer's keys are not available now.
    Unavailable,
}

impl KeySet {
    /// Fetches the keys now, and again before they expire.
    pub(super) fn keep(url: JwksUrl, fetch_policy: FetchPolicy) -> Self {
        let (sender, known) = watch::channel(Known {
            keys: Arc::default(),
            until: None,
            attempts: 0,
            last: LastFetch::Failed,
            cool: Instant::now(),
        });
        let wanted = Arc::new(Notify::new());
        let keeping = tokio::spawn(keep(url, fetch_policy, Arc::clone(&wanted), sender));
        Self {
            known,
            wanted,
            fetch_policy,
            _keeping: AbortOnDropHandle::new(keeping),
        }
    }

    /// Returns the key with this id. Fetches the keys first if it is unknown and the last fetch is
    /// longer ago than the cooldown.
    pub(super) async fn key(&self, id: Option<&str>) -> Result<DecodingKey, Missing> {
        let known = self.known.borrow().clone();
        if let Some(key) = known.key(id) {
            return Ok(key);
        }
        // Also during the cooldown: the fetch after it then serves the next request.
        self.wanted.notify_one();
        let is_under_way = known.attempts == 0;
        if !is_under_way && Instant::now() < known.cool {
            return Err(known.missing());
        }
        let mut further = self.known.clone();
        let fetched = further.wait_for(|now| now.attempts > known.attempts);
        match timeout(self.fetch_policy.wait, fetched).await {
            Ok(Ok(now)) => now.key(id).ok_or_else(|| now.missing()),
            Ok(Err(_)) | Err(_) => Err(Missing::Unavailable),
        }
    }
}

impl Known {
    fn key(&self, id: Option<&str>) -> Option<DecodingKey> {
        let holds = self.until.is_some_and(|until| Instant::now() < until);
        self.keys.find(id).filter(|_| holds).cloned()
    }

    fn missing(&self) -> Missing {
        match self.last {
            LastFetch::Succeeded => Missing::Unknown,
            // The issuer may have published the key since the last successful fetch.
            LastFetch::Failed => Missing::Unavailable,
        }
    }
}

async fn keep(
    url: JwksUrl,
    fetch_policy: FetchPolicy,
    wanted: Arc<Notify>,
    known: watch::Sender<Known>,
) {
    let mut pause = MIN_PAUSE;
    loop {
        let fetched = fetch(&url, &fetch_policy).await;
        let now = Instant::now();
        let next = match fetched {
            Ok((keys, age)) => {
                pause = MIN_PAUSE;
                known.send_modify(|known| {
                    known.keys = Arc::new(keys);
                    known.until = Some(now + age + fetch_policy.stale);
                    known.attempts += 1;
                    known.last = LastFetch::Succeeded;
                    known.cool = now + fetch_policy.cooldown;
                });
                now + age.mul_f64(RIPE)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to fetch the token issuer's keys; using the previous keys for a while"
                );
                let next = now + pause;
                pause = MAX_PAUSE.min(pause * 2);
                known.send_modify(|known| {
                    known.attempts += 1;
                    known.last = LastFetch::Failed;
                    known.cool = next.min(now + fetch_policy.cooldown);
                });
                next
            }
        };
        let cool = known.borrow().cool;
        tokio::select! {
            () = sleep_until(next) => {}
            () = async { sleep_until(cool).await; wanted.notified().await } => {}
        }
    }
}

async fn fetch(url: &JwksUrl, fetch_policy: &FetchPolicy) -> Result<(Jwks, Duration), FetchError> {
    // A new client each time: fetches are hours apart, so no connection would be reused.
    let client: Client = client_builder(fetch_policy.timeout)?
        .build()
        .map_err(ClientError::Http)?;
    let request = client.get(url.url().clone());
    let request = request.header(ACCEPT, "application/json");
    let answer = request.send().await.map_err(ClientError::Http)?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let header = answer.headers().get(CACHE_CONTROL);
    let age = fetch_policy.age_of(header.and_then(|value| value.to_str().ok()));
    let body = read_bounded(answer, MAX_ANSWER).await?;
    Ok((Jwks::parse(&body)?, age))
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Jwks(#[from] JwksFault),
}
