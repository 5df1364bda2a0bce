//! Rate limit settings.

use std::num::NonZeroU32;

use warren_config::Env;

use super::address::TrustedProxies;
use super::limit::Limit;

/// The rate limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateConfig {
    /// The limit of each key, user or address (`WARREN_RATE_PER_MINUTE`, `WARREN_RATE_BURST`);
    /// `None`: no limit.
    pub caller: Option<Limit>,
    /// The limit of each room (`WARREN_RATE_ROOM_PER_MINUTE`); `None`: no limit.
    pub room: Option<Limit>,
    /// The proxies that are trusted to report a client's address (`WARREN_TRUSTED_PROXIES`).
    pub proxies: TrustedProxies,
}

impl RateConfig {
    /// Reads the settings; faults are recorded in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        let mut number = |name| NonZeroU32::new(env.number(name, 0, 0..=Limit::MAX));
        let per_minute = number("WARREN_RATE_PER_MINUTE");
        let burst = number("WARREN_RATE_BURST");
        let room = number("WARREN_RATE_ROOM_PER_MINUTE");
        if burst.is_some() && per_minute.is_none() {
            env.fault(
                "WARREN_RATE_BURST",
                "is without effect; set WARREN_RATE_PER_MINUTE, too",
            );
        }
        let limit = |per_minute, burst| Limit::new(per_minute, burst).ok();
        Self {
            caller: per_minute.and_then(|per_minute| limit(per_minute, burst)),
            room: room.and_then(|per_minute| limit(per_minute, None)),
            proxies: env.parse("WARREN_TRUSTED_PROXIES").unwrap_or_default(),
        }
    }
}
