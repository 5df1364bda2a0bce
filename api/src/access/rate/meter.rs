//! Meter of one request: charges it, and reports what is left in headers.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::request::Parts;
use serde_json::json;
use warren_http::ApiError;
use warren_protocol::contract::Problem;
use warren_protocol::ids::RoomId;

use super::Rates;
use super::limit::Limit;
use super::limiter::{Exceeded, ExceededBy, Left};
use super::who::Who;
use crate::access::caller::Caller;
use crate::sync::Lock;

pub(crate) const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
pub(crate) const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
pub(crate) const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Charges one request. Stored in its extensions, for a handler that finds out that the request
/// counts as more than one.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Charged>);

struct Charged {
    rates: Arc<Rates>,
    who: Who,
    /// The caller's limit.
    limit: Option<Limit>,
    kind: Kind,
    /// The smallest rest of any limit.
    left: Lock<Option<Left>>,
}

/// The kind of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A job, in a room if its path names one.
    Job(Option<RoomId>),
    /// A query.
    Read,
}

impl Meter {
    /// Creates the meter of a request; `own` is the caller's own limit.
    pub(crate) fn new(
        rates: Arc<Rates>,
        caller: &Caller,
        address: IpAddr,
        own: Option<Limit>,
        kind: Kind,
    ) -> Self {
        Self(Arc::new(Charged {
            who: Who::of(caller, address),
            limit: own.or(rates.caller),
            rates,
            kind,
            left: Lock::default(),
        }))
    }

    /// Charges `count` more requests. The middleware has charged one already, so a batch of n
    /// charges n - 1.
    ///
    /// # Errors
    /// 429 if less than that is left. Then nothing is charged to the caller.
    pub(crate) fn charge(&self, count: NonZeroU32) -> Result<(), ApiError> {
        let Charged { rates, who, .. } = &*self.0;
        // The caller first: a refused request must not use up the limit of its room.
        let charged = match (&self.0.kind, self.0.limit) {
            (_, None) => None,
            (Kind::Job(_), Some(limit)) => Some(rates.jobs(limit).take(who, count)),
            (Kind::Read, Some(limit)) => Some(rates.reads(limit).take(who, count)),
        };
        self.note(charged, count)?;
        let charged = match (&self.0.kind, &rates.room) {
            (Kind::Job(Some(room)), Some(limiter)) => {
                Some(limiter.take(&Who::Room(room.clone()), count))
            }
            _ => None,
        };
        self.note(charged, count)
    }

    fn note(
        &self,
        charged: Option<Result<Left, Exceeded>>,
        count: NonZeroU32,
    ) -> Result<(), ApiError> {
        let (left, outcome) = match charged {
            None => return Ok(()),
            Some(Ok(left)) => (left, Ok(())),
            Some(Err(exceeded)) => (exceeded.left, Err(refusal(exceeded, count).into())),
        };
        let mut least = self.0.left.lock();
        match &mut *least {
            Some(least) if least.remaining < left.remaining => {}
            least => *least = Some(left),
        }
        outcome
    }

    /// Writes the rest of the limit into the answer's headers.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        let left = *self.0.left.lock();
        if let Some(left) = left {
            headers.insert(LIMIT, HeaderValue::from(left.limit));
            headers.insert(REMAINING, HeaderValue::from(left.remaining));
            headers.insert(RESET, HeaderValue::from(seconds(left.reset)));
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Meter {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let meter = parts.extensions.get::<Self>().cloned();
        // Missing only on a route without the middleware, which would otherwise never be charged.
        meter.ok_or_else(|| {
            Problem::new(
                500,
                "internal_error",
                "This request was not counted. Please report this.",
            )
            .into()
        })
    }
}

fn refusal(exceeded: Exceeded, count: NonZeroU32) -> Problem {
    let limit = exceeded.left.limit;
    let (wait, message) = match exceeded.cause {
        ExceededBy::TooSoon(wait) => (
            wait,
            "Too many requests. Retry after the number of seconds in Retry-After.".to_owned(),
        ),
        ExceededBy::TooMany => (
            exceeded.left.reset,
            format!(
                "{count} requests at once are more than the {limit} that are allowed. Send them in smaller batches."
            ),
        ),
    };
    Problem::new(429, "rate_limited", message)
        .with_details(json!({ "limit": limit }))
        .retry_after(wait)
}

/// Returns the span in whole seconds, rounded up.
fn seconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}
