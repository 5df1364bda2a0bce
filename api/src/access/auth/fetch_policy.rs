//! Intervals at which an issuer's keys are fetched, and their lifetimes.

use std::time::Duration;

/// How often an issuer's keys are fetched, and how long they stay valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FetchPolicy {
    /// The shortest lifetime of keys, whatever their issuer says.
    pub(crate) min_age: Duration,
    /// The longest lifetime of keys. A withdrawn key is accepted no longer than this.
    pub(crate) max_age: Duration,
    /// The lifetime of keys if their issuer says nothing.
    pub(crate) age: Duration,
    /// How much longer keys are used while their issuer cannot be reached.
    pub(crate) stale: Duration,
    /// The least time between two fetches, whatever tokens come.
    pub(crate) cooldown: Duration,
    /// How long a request waits for keys that are being fetched.
    pub(crate) wait: Duration,
    /// The longest time that one fetch takes.
    pub(crate) timeout: Duration,
}

impl Default for FetchPolicy {
    fn default() -> Self {
        Self {
            min_age: Duration::from_secs(5 * 60),
            max_age: Duration::from_secs(24 * 3600),
            age: Duration::from_secs(3600),
            stale: Duration::from_secs(24 * 3600),
            cooldown: Duration::from_secs(10),
            // The caller's five seconds are not over yet, and the run needs three of them.
            wait: Duration::from_secs(1),
            timeout: Duration::from_secs(3),
        }
    }
}

impl FetchPolicy {
    /// Returns how long keys that came with this `Cache-Control` stay valid.
    pub(super) fn age_of(&self, cache_control: Option<&str>) -> Duration {
        let directives = cache_control.unwrap_or_default().split(',').map(str::trim);
        let mut age = self.age;
        for directive in directives {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                age = Duration::ZERO;
            } else if name.eq_ignore_ascii_case("max-age")
                && let Ok(seconds) = value.trim_matches('"').parse()
            {
                age = Duration::from_secs(seconds);
            }
        }
        age.clamp(self.min_age, self.max_age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuers_word_holds_within_bounds() {
        let pace = FetchPolicy::default();
        for (said, seconds) in [
            (None, 3600),
            (
                Some("public, max-age=19302, must-revalidate, no-transform"),
                19302,
            ),
            (Some("Max-Age=600"), 600),
            (Some("max-age=1"), 300),
            (Some("max-age=99999999"), 86400),
            (Some("no-store"), 300),
            (Some("max-age=soon"), 3600),
        ] {
            assert_eq!(pace.age_of(said), Duration::from_secs(seconds), "{said:?}");
        }
    }
}
