//! The commands and the facts of this machine that the compose test is made of.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

/// The project's root.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Stand-in for the Dockerfile's runtime base image; where it is, so are the other two.
const STANDIN_BASE: &str = "warren-base/debian:bookworm";
const RUNTIME_BASE: &str = "debian:bookworm-slim";

/// docker-compose, whichever of the two is here, in the project's root.
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

/// Runs the command and returns its standard output; its whole output is the message if it fails.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?} could not be started: {error}; `scripts/provision test` sets up what tests need")
    });
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        text(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both streams of what a command printed.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Whether this machine has the stand-ins, being without a registry, rather than the real images.
pub(crate) fn standins() -> bool {
    Command::new("docker")
        .args(["image", "inspect", STANDIN_BASE])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What the service image is made from here.
pub(crate) fn runtime_base() -> &'static str {
    if standins() {
        STANDIN_BASE
    } else {
        RUNTIME_BASE
    }
}

/// The group that may use the engine's socket.
pub(crate) fn socket_group() -> String {
    let socket = fs::metadata("/var/run/docker.sock").expect(
        "Docker's socket is at /var/run/docker.sock, where docker-compose.yml mounts it from",
    );
    socket.gid().to_string()
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// What nobody else knows.
pub(crate) fn random_password() -> String {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
