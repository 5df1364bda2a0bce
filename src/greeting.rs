//! The greeting of `warren up`: addresses and a first request, once jobs can run.

use std::io::{IsTerminal, Write, stderr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The pause between two checks whether jobs can run yet.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest time that one check may take.
const ANSWER: Duration = Duration::from_secs(2);
/// The port of RabbitMQ's management plugin.
const RABBITMQ_UI: u16 = 15_672;

/// A process to greet for.
pub struct Greeting {
    /// The address that the API listens on.
    pub api: SocketAddr,
    /// Whether requests need a key.
    pub auth: bool,
    /// The broker, if there is one.
    pub rabbitmq_url: Option<String>,
}

impl Greeting {
    /// Waits until the API reports that it is healthy, then greets: a person on the terminal, or
    /// the log.
    pub async fn once_ready(self, stop: CancellationToken) {
        let client = warren_outbound::client_builder(ANSWER);
        let Ok(Ok(client)) = client.map(reqwest::ClientBuilder::build) else {
            return;
        };
        while !is_well(&client, &self.base()).await {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        if stderr().is_terminal() {
            // If the terminal is gone, nobody misses the greeting.
            drop(stderr().write_all(self.text().as_bytes()));
        } else {
            tracing::info!(api = self.base(), "ready for jobs");
        }
    }

    /// Returns the address as a caller on this machine writes it.
    fn base(&self) -> String {
        let mut address = self.api;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    fn text(&self) -> String {
        let base = self.base();
        let key = if self.auth {
            "      -H \"authorization: Bearer $WARREN_KEY\" \\\n"
        } else {
            ""
        };
        format!(
            "\nWarren is ready on {base}\n\n  \
             Try it:\n    \
             curl {base}/api/rooms/demo/execute -H 'content-type: application/json' \\\n{key}      \
             -d '{{\"language\":\"python\",\"code\":\"print(6 * 7)\"}}'\n\n  \
             Docs:   {base}/api/docs\n  \
             Health: {base}/api/health\n  \
             Queue:  {}\n\n",
            self.queue()
        )
    }

    fn queue(&self) -> String {
        let Some(url) = &self.rabbitmq_url else {
            return "in this process; `docker-compose up` runs RabbitMQ, which has a UI".to_owned();
        };
        // The address holds the broker's password; only its host is shown.
        let host = Url::parse(url)
            .ok()
            .and_then(|url| Some(url.host_str()?.to_owned()));
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        format!("RabbitMQ; the UI of its management plugin is on http://{host}:{RABBITMQ_UI}")
    }
}

async fn is_well(client: &Client, base: &str) -> bool {
    let Ok(answer) = client.get(format!("{base}/api/health")).send().await else {
        return false;
    };
    let health: Value = answer.json().await.unwrap_or_default();
    health["status"] == "ok"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(api: &str, auth: bool, rabbitmq_url: Option<&str>) -> String {
        let greeting = Greeting {
            api: api.parse().unwrap(),
            auth,
            rabbitmq_url: rabbitmq_url.map(str::to_owned),
        };
        greeting.text()
    }

    #[test]
    fn names_addresses_that_can_be_called_from_this_machine() {
        for (listens, called) in [
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:5000", "http://[::1]:5000"),
        ] {
            let text = greeting(listens, false, None);
            for line in [
                format!("Warren is ready on {called}\n"),
                format!("    curl {called}/api/rooms/demo/execute -H"),
                format!("{called}/api/docs\n"),
            ] {
                assert!(text.contains(&line), "{line} is not in\n{text}");
            }
        }
    }

    #[test]
    fn the_request_carries_a_key_only_where_one_is_needed() {
        assert!(greeting("127.0.0.1:1", true, None).contains("Bearer $WARREN_KEY"));
        assert!(!greeting("127.0.0.1:1", false, None).contains("Bearer"));
    }

    #[test]
    fn shows_where_the_queue_is_and_never_its_password() {
        let text = greeting(
            "127.0.0.1:1",
            false,
            Some("amqp://me:secret@broker:5672/%2f"),
        );
        assert!(text.contains("http://broker:15672"), "{text}");
        assert!(!text.contains("secret"), "{text}");
        assert!(greeting("127.0.0.1:1", false, None).contains("in this process"));
    }
}
