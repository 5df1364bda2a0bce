//! `warren doctor` as a process.

use std::process::{Command, Output, Stdio};

use super::images;

/// Runs it with these arguments on the engine at `host`, or on this machine's, with no other setting.
pub async fn doctor(host: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .arg("doctor")
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .envs(std::env::var("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)))
        .envs(images::variables())
        .envs(host.map(|host| ("DOCKER_HOST", host)))
        .stdin(Stdio::null());
    let running = tokio::task::spawn_blocking(move || command.output());
    running
        .await
        .expect("no panic")
        .expect("warren doctor starts")
}
