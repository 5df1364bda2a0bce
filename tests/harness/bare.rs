//! A container's only program, run without PID 1 and its limit of time.

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::docker;
use super::wait::SOON;

/// Runs a program in a container of this configuration (Docker's `ContainerCreate`), which a worker
/// asked for. Returns what it printed, errors included.
pub async fn run(mut configuration: Value, program: &[&str]) -> String {
    configuration["Entrypoint"] = json!(program);
    configuration["Cmd"] = json!([]);
    configuration["OpenStdin"] = json!(false);
    // Of no worker: one that looks for what another has left would remove it.
    configuration["Labels"] = json!({});
    configuration["HostConfig"]["LogConfig"] = json!({ "Type": "json-file", "Config": {} });
    let body: ContainerCreateBody = serde_json::from_value(configuration).expect("a container");
    let client = docker::client();
    let created = client.create_container(None::<CreateContainerOptions>, body);
    let id = created.await.expect("a container").id;
    let started = client.start_container(&id, None::<StartContainerOptions>);
    started.await.expect("it starts");
    let waiting = client.wait_container(&id, None::<WaitContainerOptions>);
    let ended = tokio::time::timeout(SOON, waiting.collect::<Vec<_>>()).await;
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .build();
    let pieces: Vec<_> = client.logs(&id, Some(options)).collect().await;
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    client
        .remove_container(&id, Some(options))
        .await
        .expect("it is removed");
    let pieces = pieces
        .into_iter()
        .map(|piece| piece.expect("its output").to_string());
    let text: String = pieces.collect();
    assert!(ended.is_ok(), "it does not end: {text}");
    text
}
