//! Fallback settings: none is configured by default.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::{Host, Url};
use warren_config::Env;

const EXECUTOR_URL: &str = "EXECUTOR_URL";
const WORKER_SECRET: &str = "WARREN_WORKER_SECRET";
const JUDGE0_URL: &str = "JUDGE0_URL";
const JUDGE0_API_KEY: &str = "JUDGE0_API_KEY";
/// Hosts below this are RapidAPI's, which has headers of its own.
const RAPID_API: &str = ".rapidapi.com";

/// The fallbacks, in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FallbackConfig {
    /// A worker that is sent jobs directly.
    pub executor: Option<ExecutorConfig>,
    /// A Judge0.
    pub judge0: Option<Judge0Config>,
}

/// A worker that is sent jobs directly (`EXECUTOR_URL`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutorConfig {
    /// The base address of its routes.
    pub(super) url: Url,
    /// The secret that it expects (`WARREN_WORKER_SECRET`), as a whole header. Never in a debug
    /// print.
    pub(super) authorization: Option<HeaderValue>,
}

/// A Judge0 (`JUDGE0_URL`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judge0Config {
    /// The base address of its routes.
    pub(super) url: Url,
    /// Its key (`JUDGE0_API_KEY`). Never in a debug print.
    pub(super) key: Option<HeaderValue>,
    pub(crate) pauses: PollPauses,
}

/// The pauses before each poll of unfinished submissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollPauses {
    /// The first; each further one is half as long again.
    pub(crate) first: Duration,
    /// The longest.
    pub(crate) last: Duration,
}

impl Default for PollPauses {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            last: Duration::from_secs(1),
        }
    }
}

impl Judge0Config {
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) fn is_rapid_api(&self) -> bool {
        self.host().ends_with(RAPID_API)
    }
}

impl FallbackConfig {
    /// Reads the configuration. A value that cannot be used is recorded in `env` as a fault.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        Self {
            executor: executor(env),
            judge0: judge0(env),
        }
    }
}

fn executor(env: &mut Env) -> Option<ExecutorConfig> {
    let url = url(env, EXECUTOR_URL, "http://worker:5001")?;
    let authorization = secret(env, WORKER_SECRET, "Bearer ");
    Some(ExecutorConfig { url, authorization })
}

fn judge0(env: &mut Env) -> Option<Judge0Config> {
    if env.text(JUDGE0_URL).is_none() {
        if env.text(JUDGE0_API_KEY).is_some() {
            env.fault(
                JUDGE0_URL,
                "is missing, while JUDGE0_API_KEY is set; give Judge0's address, like https://judge0-ce.p.rapidapi.com, or unset the key",
            );
        }
        return None;
    }
    let url = url(env, JUDGE0_URL, "https://judge0-ce.p.rapidapi.com")?;
    let key = secret(env, JUDGE0_API_KEY, "");
    let config = Judge0Config {
        url,
        key,
        pauses: PollPauses::default(),
    };
    if config.is_rapid_api() && config.key.is_none() {
        env.fault(
            JUDGE0_API_KEY,
            "is missing, and RapidAPI takes no request without one",
        );
    }
    if config.key.is_some() && config.url.scheme() != "https" && !is_near(&config.url) {
        env.fault(
            JUDGE0_URL,
            "is http and not https, so that anybody on the way could read the key and the code; http is for loopback and private addresses, for names without a dot, and for *.local and *.internal",
        );
    }
    Some(config)
}

fn url(env: &mut Env, name: &str, example: &str) -> Option<Url> {
    let text = env.text(name)?;
    let parsed = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let Some(mut url) = parsed else {
        // Without the value, which may hold a password.
        env.fault(
            name,
            format!(
                "is not an http or https address without user, query and fragment; give one like {example}"
            ),
        );
        return None;
    };
    // Without a slash at the end, joining a route would replace the last segment.
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/execute").unwrap_or(path).to_owned();
    url.set_path(&format!("{path}/"));
    Some(url)
}

fn secret(env: &mut Env, name: &str, before: &str) -> Option<HeaderValue> {
    let text = env.text(name)?;
    if let Ok(mut value) = HeaderValue::from_str(&format!("{before}{text}")) {
        value.set_sensitive(true);
        Some(value)
    } else {
        env.fault(name, "has characters that no HTTP header can carry");
        None
    }
}

/// Returns whether what is sent there stays in a private network.
fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => {
            let mapped = ip.to_ipv4_mapped().map(IpAddr::V4);
            ip.is_loopback()
                || ip.is_unique_local()
                || matches!(mapped, Some(IpAddr::V4(ip)) if ip.is_loopback() || ip.is_private())
        }
        Some(Host::Domain(name)) => {
            !name.contains('.')
                || [".local", ".internal"]
                    .iter()
                    .any(|end| name.ends_with(end))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(variables: [(&str, &str); N]) -> (FallbackConfig, Vec<String>) {
        let mut env = Env::from(variables);
        let config = FallbackConfig::from_env(&mut env);
        let faults = env.finish().err().map(|faults| faults.0);
        let named = faults.into_iter().flatten().map(|fault| fault.variable);
        (config, named.collect())
    }

    #[test]
    fn there_is_none_unless_configured() {
        assert_eq!(read([]), (FallbackConfig::default(), vec![]));
        // Without an address, the secret is the worker's own setting.
        assert_eq!(read([(WORKER_SECRET, "s")]).0, FallbackConfig::default());
    }

    #[test]
    fn addresses_are_bases_and_secrets_are_not_printed() {
        let (config, faults) = read([
            (EXECUTOR_URL, "http://worker:5001/execute"),
            (WORKER_SECRET, "hunter2"),
            (JUDGE0_URL, "https://judge.example.com/judge0"),
            (JUDGE0_API_KEY, "hunter3"),
        ]);
        assert_eq!(faults, Vec::<String>::new());
        let printed = format!("{config:?}");
        assert!(!printed.contains("hunter"), "{printed}");
        let (executor, judge0) = (config.executor.unwrap(), config.judge0.unwrap());
        assert_eq!(executor.url.as_str(), "http://worker:5001/");
        assert_eq!(executor.authorization.unwrap(), "Bearer hunter2");
        assert_eq!(judge0.url.as_str(), "https://judge.example.com/judge0/");
        assert!(!judge0.is_rapid_api());
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for bad in [
            "worker:5001",
            "ftp://worker",
            "http://u:p@worker",
            "http://worker/?a=b",
            "http://",
        ] {
            assert_eq!(read([(EXECUTOR_URL, bad)]).1, [EXECUTOR_URL], "{bad}");
            assert_eq!(read([(JUDGE0_URL, bad)]).1, [JUDGE0_URL], "{bad}");
        }
        assert_eq!(read([(JUDGE0_API_KEY, "k")]).1, [JUDGE0_URL]);
        let rapid = (JUDGE0_URL, "https://judge0-ce.p.rapidapi.com");
        assert_eq!(read([rapid]).1, [JUDGE0_API_KEY]);
        assert_eq!(
            read([rapid, (JUDGE0_API_KEY, "a\u{1}b")]).1,
            [JUDGE0_API_KEY, JUDGE0_API_KEY]
        );
    }

    #[test]
    fn a_key_goes_over_plain_http_only_within_the_house() {
        let key = (JUDGE0_API_KEY, "k");
        for near in [
            "127.0.0.1:2358",
            "[::1]:2358",
            "10.1.2.3",
            "192.168.0.9",
            "[fd00::1]",
            "judge0-server:2358",
            "judge0.corp.internal",
        ] {
            let url = format!("http://{near}");
            assert_eq!(read([(JUDGE0_URL, &url), key]).1, Vec::<String>::new());
        }
        for far in ["judge.example.com", "8.8.8.8", "[2001:db8::1]"] {
            let url = format!("http://{far}");
            assert_eq!(read([(JUDGE0_URL, &url), key]).1, [JUDGE0_URL], "{far}");
            assert_eq!(read([(JUDGE0_URL, &url)]).1, Vec::<String>::new(), "{far}");
        }
    }
}
