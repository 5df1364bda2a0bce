//! `rabbitmq/` and the code declare the same thing, and a broker ends up with it.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::Value;
use warren_queue::rabbit::{definitions, topology};

use super::fixture::{Fixture, OnRabbitMq, SOON, until};

const SHIPPED: &str = include_str!("../../../rabbitmq/definitions.json");
const SHIPPED_CONFIGURATION: &str = include_str!("../../../rabbitmq/rabbitmq.conf");

/// Returns exchanges, queues and bindings as text in a fixed order, without the virtual host that
/// only one of the exports names.
fn normal(definitions: &Value) -> BTreeSet<String> {
    let kinds = ["exchanges", "queues", "bindings"];
    let all = kinds.iter().flat_map(|kind| {
        let of_kind = definitions[kind].as_array().cloned().unwrap_or_default();
        of_kind.into_iter().map(move |mut one| {
            if let Some(fields) = one.as_object_mut() {
                fields.remove("vhost");
            }
            format!("{kind}: {one}")
        })
    });
    all.collect()
}

#[test]
fn the_shipped_definitions_are_what_the_code_declares() -> anyhow::Result<()> {
    let shipped: Value = serde_json::from_str(SHIPPED)?;
    let declared = normal(&definitions::definitions("/"));
    assert_eq!(
        declared.len(),
        44,
        "six exchanges, nineteen queues, nineteen bindings"
    );
    assert_eq!(normal(&shipped), declared);
    Ok(())
}

#[test]
fn the_shipped_configuration_accepts_messages_as_large_as_the_code_sends() {
    let configured = SHIPPED_CONFIGURATION.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "max_message_size")
            .then(|| value.trim().parse().ok())
            .flatten()
    });
    assert_eq!(configured, Some(topology::MAX_MESSAGE.get()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_has_what_the_code_declares() -> anyhow::Result<()> {
    let fixture = OnRabbitMq::new().await?;
    let api = fixture.api()?;
    until(&api, "the API is connected", |_| true).await?;
    let expected = normal(&definitions::definitions("/"));
    assert_eq!(normal(&fixture.0.definitions().await?), expected);
    // Beside these there is the API's own reply queue, which no export shows.
    let started = Instant::now();
    let reply_queue = loop {
        let queues = fixture.0.queues().await?;
        let replies = queues.iter().find(|queue| {
            queue["name"]
                .as_str()
                .is_some_and(|name| name.starts_with(topology::REPLY_QUEUE_PREFIX))
        });
        match replies {
            Some(queue) => break queue.clone(),
            None => anyhow::ensure!(started.elapsed() < SOON, "no reply queue in {queues:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(reply_queue["exclusive"], true, "{reply_queue}");
    assert_eq!(reply_queue["auto_delete"], true, "{reply_queue}");
    assert_eq!(reply_queue["type"], "classic", "{reply_queue}");
    Ok(())
}
