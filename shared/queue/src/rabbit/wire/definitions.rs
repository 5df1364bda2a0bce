//! The topology in the form of RabbitMQ's definitions file.
//!
//! A test compares `rabbitmq/definitions.json` with it.

use serde_json::{Value, json};

use super::topology::{Argument, EXCHANGE, EXCHANGES, queues};

/// Returns the topology in the form of RabbitMQ's definitions of one virtual host: `exchanges`,
/// `queues` and `bindings`.
#[must_use]
pub fn definitions(vhost: &str) -> Value {
    json!({
        "exchanges": EXCHANGES.map(|(name, routing)| json!({
            "name": name, "vhost": vhost, "type": routing.name(), "durable": true,
            "auto_delete": false, "internal": false, "arguments": {},
        })),
        "queues": queues().map(|queue| json!({
            "name": queue.name, "vhost": vhost, "durable": true, "auto_delete": false,
            "arguments": queue.arguments.iter().map(|(name, value)| ((*name).to_owned(), match value {
                Argument::Text(text) => json!(text),
                Argument::Number(number) => json!(number),
            })).collect::<serde_json::Map<_, _>>(),
        })).collect::<Vec<_>>(),
        "bindings": queues().map(|queue| json!({
            "source": EXCHANGE, "vhost": vhost, "destination": queue.name,
            "destination_type": "queue", "routing_key": queue.name, "arguments": {},
        })).collect::<Vec<_>>(),
    })
}
