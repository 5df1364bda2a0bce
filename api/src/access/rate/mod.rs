//! Rate limits by caller and by room.

mod address;
mod bounded_state;
mod config;
mod limit;
mod limiter;
mod meter;
mod who;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::HeaderMap;

pub use address::TrustedProxies;
pub use config::RateConfig;
pub use limit::{Limit, LimitTooHigh};
pub(crate) use meter::{Kind, LIMIT, Meter, REMAINING, RESET};

use limiter::Limiter;

use crate::sync::Lock;

/// How many reads are allowed for each job, because callers poll for results.
const READS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// How many different limits are kept at a time.
const LIMITERS: usize = 1024;

/// The rate limits, and the counts of requests.
pub(crate) struct Rates {
    /// The limit of callers without one of their own.
    caller: Option<Limit>,
    room: Option<Limiter>,
    proxies: TrustedProxies,
    jobs: Limiters,
    reads: Limiters,
}

/// The limiters, one for each limit in use.
type Limiters = Lock<HashMap<Limit, Arc<Limiter>>>;

impl Rates {
    pub(crate) fn new(config: RateConfig) -> Self {
        Self {
            caller: config.caller,
            room: config.room.map(Limiter::new),
            proxies: config.proxies,
            jobs: Lock::default(),
            reads: Lock::default(),
        }
    }

    /// Returns the address that a request comes from.
    pub(crate) fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(peer, headers)
    }

    fn jobs(&self, limit: Limit) -> Arc<Limiter> {
        of(&self.jobs, limit)
    }

    fn reads(&self, limit: Limit) -> Arc<Limiter> {
        of(&self.reads, limit.times(READS))
    }
}

fn of(limiters: &Limiters, limit: Limit) -> Arc<Limiter> {
    let mut limiters = limiters.lock();
    // Forget the limiters of keys that are no longer used.
    if limiters.len() >= LIMITERS && !limiters.contains_key(&limit) {
        limiters.retain(|_limit, limiter| !limiter.is_idle());
    }
    let limiter = limiters.entry(limit);
    Arc::clone(limiter.or_insert_with(|| Arc::new(Limiter::new(limit))))
}
