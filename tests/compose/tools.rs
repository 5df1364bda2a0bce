//! Commands and facts of this machine for the compose test.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use warren_config::variables;

/// The project's root.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Stand-in for the Dockerfile's runtime base image; if it exists, so do the other two.
const STANDIN_BASE: &str = "warren-base/debian:bookworm";
const RUNTIME_BASE: &str = "debian:bookworm-slim";

/// Returns the command docker-compose 1, or else `docker compose`, in the project's root.
pub(crate) fn compose() -> Command {
    let standalone = Command::new("docker-compose").arg("version").output();
    let mut command = if standalone.is_ok_and(|output| output.status.success()) {
        Command::new("docker-compose")
    } else {
        let mut docker = Command::new("docker");
        docker.arg("compose");
        docker
    };
    command.current_dir(ROOT);
    command
}

/// The variables without which docker-compose does not start.
pub(crate) const REQUIRED: [&str; 5] = [
    "RABBITMQ_USER",
    "RABBITMQ_PASSWORD",
    "RABBITMQ_API_PASSWORD",
    "RABBITMQ_WORKER_PASSWORD",
    "DOCKER_GID",
];

/// Returns the services as docker-compose understands the file, with this `.env` and these
/// arguments.
pub(crate) fn config(env_file: &Path, arguments: &[&str]) -> Value {
    let mut command = compose();
    command
        .arg("--env-file")
        .arg(env_file)
        .args(arguments)
        .arg("config");
    // The environment comes before the file.
    for variable in variables::all() {
        command.env_remove(variable.name);
    }
    for name in REQUIRED {
        command.env(name, "1");
    }
    let text = succeed(&mut command);
    // docker-compose 1 prints YAML alone, and is written in a Python that reads it.
    let mut python = Command::new("python3");
    let read = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.argv[1])))";
    let text = succeed(python.args(["-c", read, &text]));
    serde_json::from_str::<Value>(&text).unwrap()["services"].take()
}

/// Runs the command and returns its standard output. Panics with its whole output if it fails.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} cannot be started: {error}; `scripts/provision test` sets up what tests need")
    });
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        text(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns both streams of a command's output.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Returns whether this machine has the stand-ins for the real images, because it reaches no
/// registry.
pub(crate) fn standins() -> bool {
    Command::new("docker")
        .args(["image", "inspect", STANDIN_BASE])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Returns the base of the service image on this machine.
pub(crate) fn runtime_base() -> &'static str {
    if standins() {
        STANDIN_BASE
    } else {
        RUNTIME_BASE
    }
}

/// Returns the group that owns the engine's socket.
pub(crate) fn socket_group() -> String {
    let socket = fs::metadata("/var/run/docker.sock").expect(
        "Docker's socket is at /var/run/docker.sock, where docker-compose.yml mounts it from",
    );
    socket.gid().to_string()
}

/// Returns a port that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Returns a random password.
pub(crate) fn random_password() -> String {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
