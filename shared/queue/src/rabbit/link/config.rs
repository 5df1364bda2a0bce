//! The broker's address, and the name of this process there.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::types::LongString;
use lapin::uri::AMQPUri;

use crate::{JobClass, QueueError};
use warren_protocol::ids::InstanceId;

/// Seconds between heartbeats, unless the URL has others. A peer that is silent for twice as long is
/// lost; our own probes notice sooner.
const HEARTBEAT: u16 = 10;

/// The most connections in the pool for durable messages, unless configured otherwise.
const POOLED: NonZeroUsize = NonZeroUsize::new(4).expect("it is not zero");

/// The time for which a worker that does not claim its job may yet live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a job that a caller waits for. Short, since the caller is to learn of the loss; a
    /// connection that was cut is back in a fraction of it.
    pub attended: Duration,
    /// For a job that nobody waits for. It covers the longest pause between two attempts to connect
    /// (4 s) and the building of a connection on a busy machine, several times over.
    pub unattended: Duration,
}

impl Patience {
    /// The default of every worker.
    pub(crate) const DEFAULT: Self = Self {
        attended: Duration::from_secs(1),
        unattended: Duration::from_secs(15),
    };

    pub(crate) fn of(self, class: JobClass) -> Duration {
        match class {
            JobClass::Interactive => self.attended,
            JobClass::Unattended => self.unattended,
        }
    }
}

/// A checked broker address and the name of this process.
#[derive(Clone)]
pub struct RabbitConfig {
    uri: AMQPUri,
    instance: InstanceId,
    pooled: Option<NonZeroUsize>,
    patience: Patience,
    /// Whether the broker has denied the declaration of the topology to this user.
    denied: Arc<AtomicBool>,
}

impl RabbitConfig {
    /// Checks the address of the broker at `url`, used by `instance`. The default virtual host is
    /// `/`, whether the URL's path is missing, empty or `%2f`.
    ///
    /// # Errors
    /// [`QueueError::InvalidUrl`] if `url` is no AMQP address.
    pub fn new(url: &str, instance: InstanceId) -> Result<Self, QueueError> {
        let mut uri: AMQPUri = url
            .trim()
            .parse()
            .map_err(|problem: String| QueueError::InvalidUrl(without_secrets(problem, url)))?;
        if let Some(host) = bracketed_host(url) {
            // The library's parser uses its default host for anything that is not a name.
            uri.authority.host = host.to_owned();
        }
        if uri.authority.host.is_empty() {
            return Err(QueueError::InvalidUrl("it names no host".to_owned()));
        }
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Ok(Self {
            uri,
            instance,
            pooled: Some(POOLED),
            patience: Patience::DEFAULT,
            denied: Arc::default(),
        })
    }

    /// Publishes everything on one connection, as if there were no pool.
    #[must_use]
    pub fn without_pool(self) -> Self {
        Self {
            pooled: None,
            ..self
        }
    }

    /// Waits as long as that before a worker that does not claim its suspect counts as dead.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Returns the address, with its defaults filled in. It may hold a password.
    #[must_use]
    pub fn uri(&self) -> &AMQPUri {
        &self.uri
    }

    /// Returns the most connections in the pool for durable messages; `None` if there is no pool.
    pub(crate) fn pooled(&self) -> Option<NonZeroUsize> {
        self.pooled
    }

    /// Returns whether the user may declare the topology, as far as is known.
    pub(crate) fn may_declare(&self) -> bool {
        !self.denied.load(Ordering::Relaxed)
    }

    /// Remembers that the user may not.
    pub(crate) fn forbid_declaring(&self) {
        self.denied.store(true, Ordering::Relaxed);
    }

    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    pub(crate) fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Returns the name of a connection in the management UI.
    pub(crate) fn connection_name(&self, purpose: &str) -> LongString {
        format!("warren {} {purpose}", self.instance).into()
    }
}

/// Leaves out the URL, because the library quotes the whole of it in some messages, password
/// included.
fn without_secrets(problem: String, url: &str) -> String {
    if problem.contains(url.trim()) {
        "it cannot be parsed as a URL".to_owned()
    } else {
        problem
    }
}

fn bracketed_host(url: &str) -> Option<&str> {
    let (_, authority) = url.split_once("://")?;
    let authority = authority.split('/').next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.strip_prefix('[')?.split_once(']')?.0)
}

// Credentials must not reach a log.
impl fmt::Debug for RabbitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitConfig")
            .field("host", &self.uri.authority.host)
            .field("port", &self.uri.authority.port)
            .field("vhost", &self.uri.vhost)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Result<RabbitConfig, QueueError> {
        RabbitConfig::new(url, InstanceId::new("test"))
    }

    #[test]
    fn the_default_vhost_is_found_however_it_is_written() {
        for url in ["amqp://host", "amqp://host/", "amqp://host/%2f"] {
            assert_eq!(config(url).unwrap().uri.vhost, "/", "{url}");
        }
        assert_eq!(config("amqp://host/other").unwrap().uri.vhost, "other");
    }

    #[test]
    fn hosts_are_used_as_written() {
        for (url, host, port) in [
            ("amqp://u:p@127.0.0.1:5673/%2f", "127.0.0.1", 5673),
            ("amqp://u:p@[::1]:5673/%2f", "::1", 5673),
            ("amqp://broker.example", "broker.example", 5672),
            ("amqps://broker.example", "broker.example", 5671),
        ] {
            let config = config(url).unwrap();
            assert_eq!(config.uri.authority.host, host, "{url}");
            assert_eq!(config.uri.authority.port, port, "{url}");
        }
    }

    #[test]
    fn an_address_that_is_not_amqp_is_refused_without_showing_its_password() {
        for url in [
            "",
            "localhost:5672",
            "http://user:s3cret@host",
            "amqp:user:s3cret@host",
            "amqp://user:s3cret@host:port",
            "amqp://user:s3cret@host?heartbeat=often",
        ] {
            let error = config(url).unwrap_err();
            assert!(matches!(error, QueueError::InvalidUrl(_)), "{url}");
            let text = error.to_string();
            assert!(text.contains("RABBITMQ_URL"), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn credentials_are_not_printed() {
        let text = format!("{:?}", config("amqp://user:s3cret@host").unwrap());
        assert!(!text.contains("s3cret") && !text.contains("user"), "{text}");
    }
}
