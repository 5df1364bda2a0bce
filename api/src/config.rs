//! Configuration of the API, read from the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mongodb::options::ConnectionString;
use warren_config::Env;
use warren_http::{DRAIN_GRACE, HostNames, MAX_WAIT, MIN_WAIT};
use warren_languages::PolicyMode;
use warren_protocol::limits::ByteSize;
use warren_protocol::time::millis;
use warren_telemetry::Environment;

use crate::access::auth::AuthConfig;
use crate::access::cors::Origins;
use crate::access::rate::RateConfig;
use crate::callbacks::CallbackConfig;
pub use crate::execution::dispatch::config::FallbackConfig;
use crate::store::{
    CodeKeeping, DEFAULT_RETENTION_DAYS, DEFAULT_TEXTS_A_DAY, Keeping, MAX_RETENTION_DAYS,
    Retention,
};

/// The default address of the API: the contract's port, on this machine only.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:5000";
/// The name of the embedded database's file in `WARREN_DATA_DIR`.
pub const DATABASE_FILE: &str = "warren.db";
/// The default limit of requests in flight. Each may hold [`MAX_BODY`] and its answer.
///
/// [`MAX_BODY`]: warren_protocol::limits::MAX_BODY
pub const DEFAULT_MAX_IN_FLIGHT: usize = 256;

/// The most MiB of text a day that can be configured: a tebibyte.
const MAX_TEXTS_MIB_A_DAY: u64 = 1024 * 1024;

/// The default of how long a job that nobody waits for may wait.
pub const DEFAULT_ASYNC_MAX_WAIT: Duration = Duration::from_secs(3600);

/// The API's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on (`WARREN_API_ADDR`).
    pub address: SocketAddr,
    /// The web origins that may call from a browser (`CLIENT_URL`); none: no CORS headers.
    pub origins: Origins,
    /// The names by which callers may call while they need not authenticate (`WARREN_HOSTS`), besides
    /// this machine's own.
    pub hosts: HostNames,
    /// Whether errors show their causes (`NODE_ENV`; production unless set).
    pub environment: Environment,
    /// The store that records executions (`MONGODB_URI`, else `WARREN_DATA_DIR`).
    pub store: StoreConfig,
    /// How long they are kept (`WARREN_RETENTION_DAYS`).
    pub retention: Retention,
    /// How much of them is kept (`WARREN_STORE_CODE`, `WARREN_HISTORY_MIB_PER_DAY`).
    pub keeping: Keeping,
    /// Whether the forbidden patterns are enforced (`WARREN_POLICY`).
    pub policy: PolicyMode,
    /// How long a caller waits at most (`WARREN_WAIT_MS`).
    pub wait: Duration,
    /// The most requests for execution at a time (`WARREN_MAX_IN_FLIGHT`).
    pub max_in_flight: usize,
    /// How long a job that nobody waits for may wait (`WARREN_ASYNC_MAX_WAIT_S`).
    pub async_max_wait: Duration,
    /// How long a drain waits for requests in flight.
    pub drain_grace: Duration,
    /// The authentication of callers.
    pub auth: AuthConfig,
    /// The rate limits.
    pub rate: RateConfig,
    /// The settings of callbacks (`WARREN_WEBHOOK_SECRET` and others); `None` turns them off.
    pub callbacks: Option<CallbackConfig>,
    /// The backends that run jobs when the queue does not take them (`EXECUTOR_URL`, `JUDGE0_URL`).
    pub fallback: FallbackConfig,
}

/// The store to use.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// The MongoDB at this address, which may hold a password.
    Mongo(String),
    /// This SQLite file.
    Sqlite(PathBuf),
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mongo(_) => f.write_str("Mongo(…)"),
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
        }
    }
}

impl Config {
    /// Reads the configuration. A value that cannot be used is recorded in `env` as a fault, and
    /// its default is used here.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            address: env
                .parse::<ListenAddr>("WARREN_API_ADDR")
                .unwrap_or_default()
                .0,
            origins: env.parse("CLIENT_URL").unwrap_or_default(),
            hosts: env.parse(HostNames::VARIABLE).unwrap_or_default(),
            environment: env.parse("NODE_ENV").unwrap_or(Environment::Production),
            store: store(env),
            retention: Retention::days(env.number(
                "WARREN_RETENTION_DAYS",
                DEFAULT_RETENTION_DAYS,
                1..=MAX_RETENTION_DAYS,
            )),
            keeping: Keeping {
                code: match env.parse::<bool>("WARREN_STORE_CODE") {
                    Some(true) => CodeKeeping::Whole,
                    Some(false) | None => CodeKeeping::HashOnly,
                },
                texts_a_day: ByteSize::mib(env.number(
                    "WARREN_HISTORY_MIB_PER_DAY",
                    DEFAULT_TEXTS_A_DAY.get() >> 20,
                    1..=MAX_TEXTS_MIB_A_DAY,
                )),
            },
            policy: env.parse("WARREN_POLICY").unwrap_or(PolicyMode::Enforce),
            wait: env.span_ms(
                "WARREN_WAIT_MS",
                MAX_WAIT,
                millis(MIN_WAIT)..=millis(MAX_WAIT),
            ),
            max_in_flight: env.number("WARREN_MAX_IN_FLIGHT", DEFAULT_MAX_IN_FLIGHT, 1..=10_000),
            async_max_wait: Duration::from_secs(env.number(
                "WARREN_ASYNC_MAX_WAIT_S",
                DEFAULT_ASYNC_MAX_WAIT.as_secs(),
                60..=86_400,
            )),
            drain_grace: DRAIN_GRACE,
            auth: AuthConfig::from_env(env),
            rate: RateConfig::from_env(env),
            callbacks: CallbackConfig::from_env(env),
            fallback: FallbackConfig::from_env(env),
        }
    }

    /// Checks whether an API may start with these settings; faults are recorded in `env`. Separate
    /// from the reading, because a worker reads these settings, too.
    pub fn check(&self, env: &mut Env) {
        self.auth.check(self.address, env);
    }
}

fn store(env: &mut Env) -> StoreConfig {
    let directory = env.text("WARREN_DATA_DIR");
    let file = PathBuf::from(directory.unwrap_or_else(|| "data".to_owned())).join(DATABASE_FILE);
    match env.text("MONGODB_URI") {
        None => StoreConfig::Sqlite(file),
        Some(uri) if ConnectionString::parse(&uri).is_ok() => StoreConfig::Mongo(uri),
        Some(_) => {
            // Not the value, nor the parser's message, which quotes it: it may hold a password.
            env.fault(
                "MONGODB_URI",
                "is not a MongoDB address; give one like mongodb://user:password@host:27017/warren \
                 (percent-encode special characters in user and password), or unset it to record \
                 into a file in WARREN_DATA_DIR",
            );
            StoreConfig::Sqlite(file)
        }
    }
}

struct ListenAddr(SocketAddr);

impl Default for ListenAddr {
    fn default() -> Self {
        Self(SocketAddr::from(([127, 0, 0, 1], 5000)))
    }
}

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_invalid| {
            format!(
                "{text:?} is not an IP address with a port, like {DEFAULT_ADDRESS} or 0.0.0.0:5000"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_needs_to_be_set() {
        let mut env = Env::from([]);
        let config = Config::from_env(&mut env);
        assert_eq!(env.finish(), Ok(()));
        assert_eq!(config.address.to_string(), DEFAULT_ADDRESS);
        assert_eq!(config.store, StoreConfig::Sqlite("data/warren.db".into()));
        assert_eq!(config.policy, PolicyMode::Enforce);
        assert_eq!(config.environment, Environment::Production);
        assert_eq!(config.wait, MAX_WAIT);
        assert_eq!(config.async_max_wait, DEFAULT_ASYNC_MAX_WAIT);
        assert!(config.origins.header_values().is_empty());
        assert_eq!(config.retention, Retention::days(30));
        assert_eq!(config.keeping, CodeKeeping::HashOnly.into());
    }

    #[test]
    fn every_setting_is_read() {
        let mut env = Env::from([
            ("WARREN_API_ADDR", "0.0.0.0:80"),
            ("CLIENT_URL", "http://localhost:3000"),
            ("NODE_ENV", "development"),
            ("MONGODB_URI", "mongodb://u:p@db:27017/warren"),
            ("WARREN_POLICY", "off"),
            ("WARREN_WAIT_MS", "1500"),
            ("WARREN_MAX_IN_FLIGHT", "7"),
            ("WARREN_ASYNC_MAX_WAIT_S", "600"),
            ("WARREN_RETENTION_DAYS", "365"),
            ("WARREN_STORE_CODE", "true"),
            ("WARREN_HISTORY_MIB_PER_DAY", "7"),
        ]);
        let config = Config::from_env(&mut env);
        assert_eq!(env.finish(), Ok(()));
        assert_eq!(config.address.port(), 80);
        assert_eq!(config.origins.header_values(), ["http://localhost:3000"]);
        assert_eq!(config.environment, Environment::Development);
        assert_eq!(
            config.store,
            StoreConfig::Mongo("mongodb://u:p@db:27017/warren".into())
        );
        assert_eq!(config.policy, PolicyMode::Off);
        assert_eq!(config.wait, Duration::from_millis(1500));
        assert_eq!(config.max_in_flight, 7);
        assert_eq!(config.async_max_wait, Duration::from_secs(600));
        assert_eq!(config.retention, Retention::days(365));
        assert_eq!(config.keeping.code, CodeKeeping::Whole);
        assert_eq!(config.keeping.texts_a_day, ByteSize::mib(7));
        assert!(!format!("{config:?}").contains("u:p"));
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_password() {
        let mut env = Env::from([
            ("WARREN_API_ADDR", "localhost"),
            ("CLIENT_URL", "*"),
            ("WARREN_HOSTS", "http://code.example.com"),
            ("NODE_ENV", "staging"),
            ("MONGODB_URI", "postgres://me:hunter2@db"),
            ("WARREN_RETENTION_DAYS", "0"),
            ("WARREN_STORE_CODE", "yes"),
            ("WARREN_POLICY", "maybe"),
            ("WARREN_WAIT_MS", "5001"),
            ("WARREN_MAX_IN_FLIGHT", "0"),
            ("WARREN_ASYNC_MAX_WAIT_S", "59"),
        ]);
        Config::from_env(&mut env);
        let faults = env.finish().unwrap_err();
        let named: Vec<_> = faults.0.iter().map(|f| f.variable.as_str()).collect();
        assert_eq!(
            named,
            [
                "WARREN_API_ADDR",
                "CLIENT_URL",
                "WARREN_HOSTS",
                "NODE_ENV",
                "MONGODB_URI",
                "WARREN_RETENTION_DAYS",
                "WARREN_STORE_CODE",
                "WARREN_POLICY",
                "WARREN_WAIT_MS",
                "WARREN_MAX_IN_FLIGHT",
                "WARREN_ASYNC_MAX_WAIT_S"
            ]
        );
        assert!(!faults.to_string().contains("hunter2"));
    }
}
