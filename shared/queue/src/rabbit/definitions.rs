//! What exists on the broker, as RabbitMQ's definitions file has it: a test holds
//! `rabbitmq/definitions.json` to it.

use serde_json::{Value, json};

use super::topology::{Argument, EXCHANGE, EXCHANGES, QUEUES};

/// The topology as it stands in RabbitMQ's definitions of one virtual host: `exchanges`, `queues`
/// and `bindings`.
#[must_use]
pub fn definitions(vhost: &str) -> Value {
    json!({
        "exchanges": EXCHANGES.map(|(name, routing)| json!({
            "name": name, "vhost": vhost, "type": routing.name(), "durable": true,
            "auto_delete": false, "internal": false, "arguments": {},
        })),
        "queues": QUEUES.iter().map(|queue| json!({
            "name": queue.name, "vhost": vhost, "durable": true, "auto_delete": false,
            "arguments": queue.arguments.iter().map(|(name, value)| ((*name).to_owned(), match value {
                Argument::Text(text) => json!(text),
                Argument::Number(number) => json!(number),
            })).collect::<serde_json::Map<_, _>>(),
        })).collect::<Vec<_>>(),
        "bindings": QUEUES.iter().map(|queue| json!({
            "source": EXCHANGE, "vhost": vhost, "destination": queue.name,
            "destination_type": "queue", "routing_key": queue.name, "arguments": {},
        })).collect::<Vec<_>>(),
    })
}
