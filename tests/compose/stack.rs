//! A stack of `docker-compose.yml` with its own project name and ports.
//!
//! It is taken down even after a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::passed_on::{SHOWN, env_file};
use crate::tools::{
    ROOT, compose, free_port, random_password, runtime_base, socket_group, standins, succeed, text,
};

const RABBITMQ_USER: &str = "compose-test";

/// A running stack.
pub(crate) struct Stack {
    project: String,
    image: String,
    password: String,
    api_password: String,
    worker_password: String,
    /// Its `.env`.
    env_file: NamedTempFile,
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
            api_password: random_password(),
            worker_password: random_password(),
            env_file: env_file(SHOWN.map(|(_, name, value)| (name, value))),
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

    /// Builds the service image as the Dockerfile's last stage makes it, around the binary that
    /// cargo built for this test: the first stage would need a registry for its base image.
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
                runtime_base(),
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

    /// Returns the docker-compose command on this stack.
    fn compose(&self) -> Command {
        let mut command = compose();
        command
            .args(["--project-name", &self.project, "-f", "docker-compose.yml"])
            .args(["-f", "tests/compose/docker-compose.built.yml"])
            .arg("--env-file")
            .arg(self.env_file.path());
        if standins() {
            command.args(["-f", "tests/compose/docker-compose.standin.yml"]);
        }
        command
            .env("RABBITMQ_USER", RABBITMQ_USER)
            .env("RABBITMQ_PASSWORD", &self.password)
            .env("RABBITMQ_API_PASSWORD", &self.api_password)
            .env("RABBITMQ_WORKER_PASSWORD", &self.worker_password)
            .env("DOCKER_GID", socket_group())
            .env("WARREN_TEST_IMAGE", &self.image)
            .env("WARREN_BIND", "127.0.0.1")
            .env("WARREN_API_PORT", self.api_port.to_string())
            .env("RABBITMQ_UI_PORT", self.ui_port.to_string());
        command
    }

    /// Returns the broker's management API, credentials included.
    pub(crate) fn management(&self, path: &str) -> String {
        format!(
            "http://{RABBITMQ_USER}:{}@127.0.0.1:{}/api/{path}",
            self.password, self.ui_port
        )
    }

    /// Returns `docker inspect` of the stack's containers, by service.
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

    /// Returns the ids of what carries the stack's label: `ps`, `network ls` or `volume ls`.
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

    /// Returns the end of every service's log.
    pub(crate) fn logs(&self) -> String {
        let output = self
            .compose()
            .args(["logs", "--no-color", "--tail", "30"])
            .output();
        output.map_or_else(|error| error.to_string(), |output| text(&output))
    }

    /// Takes everything down and returns what is left in spite of that.
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
