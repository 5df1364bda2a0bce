//! `docker-compose.yml` brought up under a project name and on ports of its own, and taken down
//! again whatever happens.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Stand-in for the Dockerfile's runtime base image; where it is, so are the other two.
const STANDIN_BASE: &str = "warren-base/debian:bookworm";
const RUNTIME_BASE: &str = "debian:bookworm-slim";
const RABBITMQ_USER: &str = "compose-test";

/// A running stack.
pub(crate) struct Stack {
    project: String,
    image: String,
    password: String,
    pub(crate) api_port: u16,
    pub(crate) ui_port: u16,
}

impl Stack {
    /// Builds the service image, brings everything up and waits until the broker and the database
    /// are healthy (`depends_on` does) and API and workers are started.
    pub(crate) fn up(workers: usize) -> Self {
        let project = format!("warren-compose-test-{}", std::process::id());
        let stack = Self {
            image: format!("{project}:latest"),
            password: random_password(),
            api_port: free_port(),
            ui_port: free_port(),
            project,
        };
        stack.build_image();
        let scale = format!("worker={workers}");
        succeed(
            stack
                .compose()
                .args(["up", "-d", "--no-build", "--scale", &scale]),
        );
        stack
    }

    /// The service image as the Dockerfile's last stage makes it, around the binary that cargo
    /// built for this test: its first stage would need a registry for its base image.
    fn build_image(&self) {
        let dockerfile = fs::read_to_string(Path::new(ROOT).join("Dockerfile")).unwrap();
        let (_, runtime) = dockerfile
            .split_once("\nFROM ${RUNTIME_IMAGE} AS runtime\n")
            .expect("the Dockerfile has a stage `runtime`");
        let copy = "COPY --from=build /src/target/release/warren ";
        assert!(runtime.contains(copy), "the Dockerfile copies the binary");
        let context = tempfile::tempdir().unwrap();
        fs::write(
            context.path().join("Dockerfile"),
            format!(
                "FROM {}\n{}",
                if standins() {
                    STANDIN_BASE
                } else {
                    RUNTIME_BASE
                },
                runtime.replace(copy, "COPY warren ")
            ),
        )
        .unwrap();
        fs::copy(env!("CARGO_BIN_EXE_warren"), context.path().join("warren")).unwrap();
        succeed(
            Command::new("docker")
                // The classic builder, which every engine has.
                .env("DOCKER_BUILDKIT", "0")
                .args(["build", "--quiet", "--tag", &self.image])
                .arg(context.path()),
        );
    }

    /// docker-compose on this stack.
    fn compose(&self) -> Command {
        let mut command = compose();
        command
            .args(["--project-name", &self.project, "-f", "docker-compose.yml"])
            .args(["-f", "tests/compose/docker-compose.built.yml"]);
        if standins() {
            command.args(["-f", "tests/compose/docker-compose.standin.yml"]);
        }
        command
            .env("RABBITMQ_USER", RABBITMQ_USER)
            .env("RABBITMQ_PASSWORD", &self.password)
            .env("DOCKER_GID", socket_group())
            .env("WARREN_TEST_IMAGE", &self.image)
            .env("WARREN_BIND", "127.0.0.1")
            .env("WARREN_API_PORT", self.api_port.to_string())
            .env("RABBITMQ_UI_PORT", self.ui_port.to_string());
        command
    }

    /// The broker's management API, credentials included.
    pub(crate) fn management(&self, path: &str) -> String {
        format!(
            "http://{RABBITMQ_USER}:{}@127.0.0.1:{}/api/{path}",
            self.password, self.ui_port
        )
    }

    /// `docker inspect` of the stack's containers, by service.
    pub(crate) fn containers(&self) -> BTreeMap<String, Vec<Value>> {
        let mut services = BTreeMap::<String, Vec<Value>>::new();
        for id in self.ids("ps", &["--all"]) {
            let text = succeed(Command::new("docker").args(["inspect", &id]));
            let container = serde_json::from_str::<Value>(&text).unwrap()[0].take();
            let service = container["Config"]["Labels"]["com.docker.compose.service"]
                .as_str()
                .expect("compose labels its containers")
                .to_owned();
            services.entry(service).or_default().push(container);
        }
        services
    }

    /// Ids of what carries the stack's label: `ps`, `network ls` or `volume ls`.
    fn ids(&self, list: &str, more: &[&str]) -> Vec<String> {
        let label = format!("label=com.docker.compose.project={}", self.project);
        let text = succeed(
            Command::new("docker")
                .args(list.split(' '))
                .args(more)
                .args(["--quiet", "--filter", &label]),
        );
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// The end of every service's log.
    pub(crate) fn logs(&self) -> String {
        let output = self
            .compose()
            .args(["logs", "--no-color", "--tail", "30"])
            .output();
        output.map_or_else(|error| error.to_string(), |output| text(&output))
    }

    /// Takes everything down and returns what is left all the same.
    pub(crate) fn down(self) -> Vec<String> {
        self.take_down();
        let mut left = self.ids("ps", &["--all"]);
        left.extend(self.ids("network ls", &[]));
        left.extend(self.ids("volume ls", &[]));
        left
    }

    fn take_down(&self) {
        // Also after a failure, so nothing here may panic.
        let _ = self
            .compose()
            .args(["down", "--volumes", "--remove-orphans"])
            .output();
        let _ = Command::new("docker")
            .args(["rmi", "--force", &self.image])
            .output();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the stack's logs:\n{}", self.logs());
        }
        self.take_down();
    }
}

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
fn standins() -> bool {
    Command::new("docker")
        .args(["image", "inspect", STANDIN_BASE])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The group that may use the engine's socket.
fn socket_group() -> String {
    let socket = fs::metadata("/var/run/docker.sock").expect(
        "Docker's socket is at /var/run/docker.sock, where docker-compose.yml mounts it from",
    );
    socket.gid().to_string()
}

/// A port that is free now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn random_password() -> String {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
