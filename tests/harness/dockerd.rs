//! A Docker Engine of a test's own, which it can stop, wedge and start.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use bollard::Docker;
use tempfile::TempDir;

use super::images;
use super::wait::SOON;

const LANGUAGES: &str = include_str!("../../shared/languages.toml");

/// Returns the stanza of Python alone from the language file.
pub fn python_alone() -> &'static str {
    let stanza = "[[language]]\nname = \"python\"";
    let at = LANGUAGES.find(stanza).expect("a stanza of Python");
    &LANGUAGES[at..]
}

/// An engine on a socket of its own, with its data in a temporary directory and without networks.
/// Dropping it ends it; the end of its log is shown when the test failed.
pub struct Dockerd {
    directory: TempDir,
    engine: Option<Child>,
}

impl Dockerd {
    /// Starts an engine that has the base image of Python. Returns it and the name of that image.
    pub async fn with_python() -> anyhow::Result<(Self, String)> {
        let mut dockerd = Self {
            directory: TempDir::with_prefix("warren-dockerd-")?,
            engine: None,
        };
        dockerd.start().await?;
        let image = images::variables()
            .remove("WARREN_IMAGE_PYTHON")
            .unwrap_or_else(|| "python:3.10-alpine".to_owned());
        let load = format!("docker save {image} | docker -H {} load", dockerd.host());
        let loading =
            tokio::task::spawn_blocking(move || Command::new("sh").args(["-c", &load]).output());
        let loaded = loading.await??;
        anyhow::ensure!(
            loaded.status.success(),
            "{image} could not be loaded: {}; `make test` provides it",
            String::from_utf8_lossy(&loaded.stderr)
        );
        Ok((dockerd, image))
    }

    /// Returns the value of `DOCKER_HOST` for its users.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Writes a language file beside its data, and returns the file's path.
    pub fn write_languages(&self, text: &str) -> String {
        let path = self.path("languages.toml");
        fs::write(&path, text).expect("a file");
        path.to_str().expect("a path of text").to_owned()
    }

    /// Returns a client of it.
    pub fn client(&self) -> Docker {
        Docker::connect_with_host(&self.host()).expect("an engine that was started")
    }

    /// Starts it, with the data that it had when it was stopped, and waits until it answers.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))?;
        // In a mount namespace of its own, so that no mount of it outlives it; and in a network
        // namespace of its own, since an engine without a bridge deletes the host's `docker0`.
        let engine = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--net", "dockerd"])
            .arg("--data-root")
            .arg(self.path("data"))
            .arg("--exec-root")
            .arg(self.path("exec"))
            .arg("--pidfile")
            .arg(self.path("pid"))
            .args(["--host", &self.host()])
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .args(["--ip-forward=false", "--ip-masq=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("dockerd is needed, and root to run it: run `make test` as root, or install docker.io")?;
        self.engine = Some(engine);
        let started = Instant::now();
        while !self.answers().await {
            let ended = self.engine.as_mut().map(Child::try_wait).transpose()?;
            anyhow::ensure!(
                ended.flatten().is_none() && started.elapsed() < SOON,
                "dockerd did not start (it needs root):\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn answers(&self) -> bool {
        match Docker::connect_with_host(&self.host()) {
            Ok(client) => client.ping().await.is_ok(),
            Err(_no_socket_yet) => false,
        }
    }

    /// Stops it in order, and all its containers.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal("TERM");
        let stopping = Instant::now();
        while let Some(engine) = &mut self.engine {
            if engine.try_wait()?.is_some() {
                self.engine = None;
            } else {
                anyhow::ensure!(stopping.elapsed() < SOON, "dockerd did not stop");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Stops it from reading and answering anything, while its containers continue.
    pub fn wedge(&self) {
        self.signal("STOP");
    }

    /// Lets it continue.
    pub fn unwedge(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(engine) = &self.engine {
            let _ = Command::new("kill")
                .args([&format!("-{name}"), &engine.id().to_string()])
                .status();
        }
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Returns the path of a file of its own.
    pub fn path(&self, name: &str) -> PathBuf {
        let directory: &Path = self.directory.path();
        directory.join(name)
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of dockerd:\n{}", self.log());
        }
        self.unwedge();
        self.signal("TERM");
        let Some(mut engine) = self.engine.take() else {
            return;
        };
        let stopping = Instant::now();
        while engine.try_wait().is_ok_and(|ended| ended.is_none()) {
            if stopping.elapsed() > SOON {
                let _ = engine.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
