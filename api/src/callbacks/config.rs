//! Callback settings.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use warren_config::Env;

use super::guard::Guard;
use super::schedule::Schedule;
use super::signature::Secrets;

/// The default and the longest timeout of one attempt: well below the time for which the broker
/// lets a consumer hold a delivery (`consumer_timeout`).
const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=30_000;
/// The most networks that an operator can allow, and that it can deny.
const MAX_NETWORKS: usize = 64;

/// The settings of callbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackConfig {
    /// The secrets that sign callbacks (`WARREN_WEBHOOK_SECRET`).
    pub secrets: Secrets,
    /// The guard of where callbacks may be posted (`WARREN_CALLBACK_ALLOW`, `WARREN_CALLBACK_DENY`).
    pub guard: Guard,
    /// The schedule of retries (`WARREN_CALLBACK_RETRY_MS`).
    pub schedule: Schedule,
    /// How long resolving a name may take, and how long an attempt may take after that
    /// (`WARREN_CALLBACK_TIMEOUT_MS`).
    pub timeout: Duration,
}

impl CallbackConfig {
    /// Reads the configuration; `None` if there is no secret, so that no callbacks are posted. A
    /// value that cannot be used is a fault either way.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let secrets = env.parse("WARREN_WEBHOOK_SECRET");
        let allowed = env.parse::<Networks>("WARREN_CALLBACK_ALLOW");
        let denied = env.parse::<Networks>("WARREN_CALLBACK_DENY");
        let schedule = env.parse("WARREN_CALLBACK_RETRY_MS");
        let timeout = env.span_ms("WARREN_CALLBACK_TIMEOUT_MS", TIMEOUT, TIMEOUT_MS);
        Some(Self {
            secrets: secrets?,
            guard: Guard::allowing(allowed.unwrap_or_default().0)
                .denying(denied.unwrap_or_default().0),
            schedule: schedule.unwrap_or_default(),
            timeout,
        })
    }
}

/// Networks, separated by commas.
#[derive(Default)]
struct Networks(Vec<IpNet>);

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = |word: &str| {
            let address = || word.parse::<IpAddr>().map(IpNet::from);
            let network = word.parse().or_else(|_invalid| address());
            network.map_err(|_invalid| {
                format!(
                    "{word:?} is no network; give such as 10.0.0.0/8,fd00::/8, separated by commas"
                )
            })
        };
        let words = text.split(',').map(str::trim);
        let networks: Vec<_> = words.map(network).collect::<Result<_, _>>()?;
        if networks.len() > MAX_NETWORKS {
            return Err(format!(
                "has more than {MAX_NETWORKS} networks; give larger ones"
            ));
        }
        Ok(Self(networks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn without_a_secret_nothing_is_posted() {
        let mut env = Env::from([("WARREN_CALLBACK_ALLOW", "10.0.0.0/8")]);
        assert_eq!(CallbackConfig::from_env(&mut env), None);
        assert_eq!(env.finish(), Ok(()));
    }

    #[test]
    fn everything_can_be_set() {
        let mut env = Env::from([
            ("WARREN_WEBHOOK_SECRET", SECRET),
            ("WARREN_CALLBACK_ALLOW", "10.0.0.0/8, 127.0.0.1,fd00::/8"),
            ("WARREN_CALLBACK_DENY", "203.0.114.0/24"),
            ("WARREN_CALLBACK_RETRY_MS", "1,2"),
            ("WARREN_CALLBACK_TIMEOUT_MS", "250"),
        ]);
        let config = CallbackConfig::from_env(&mut env);
        assert_eq!(env.finish(), Ok(()));
        let nets = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        let expected = CallbackConfig {
            secrets: SECRET.parse().unwrap(),
            guard: Guard::allowing(nets.map(|net| net.parse().unwrap()).to_vec())
                .denying(vec!["203.0.114.0/24".parse().unwrap()]),
            schedule: "1,2".parse().unwrap(),
            timeout: Duration::from_millis(250),
        };
        assert_eq!(config, Some(expected));
    }

    #[test]
    fn faults_are_told_and_secrets_are_not() {
        let mut env = Env::from([
            ("WARREN_WEBHOOK_SECRET", "hunter2"),
            ("WARREN_CALLBACK_ALLOW", "10.0.0.0/33"),
            ("WARREN_CALLBACK_DENY", "everything"),
            ("WARREN_CALLBACK_RETRY_MS", "soon"),
            ("WARREN_CALLBACK_TIMEOUT_MS", "1"),
        ]);
        assert_eq!(CallbackConfig::from_env(&mut env), None);
        let faults = env.finish().unwrap_err();
        assert_eq!(faults.0.len(), 5);
        assert!(!faults.to_string().contains("hunter2"));
    }
}
