//! `warren doctor` as a process.

use std::process::{Command, Output, Stdio};

use super::engine::Engine;

/// Runs it with these arguments on Docker at `host`, or on this machine's, with no other setting.
pub async fn doctor(host: Option<&str>, arguments: &[&str]) -> Output {
    let variables = host.map(|host| ("DOCKER_HOST", host));
    doctor_on(Engine::Docker, variables.as_slice(), arguments).await
}

/// Runs it with these arguments on this engine, with these settings alone.
pub async fn doctor_on(engine: Engine, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .arg("doctor")
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .envs(std::env::var("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)))
        .envs(engine.variables())
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    let running = tokio::task::spawn_blocking(move || command.output());
    running
        .await
        .expect("no panic")
        .expect("warren doctor starts")
}
