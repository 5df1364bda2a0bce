//! A proxy in front of Docker that changes the containers it is asked for.
//!
//! It is an engine that does not do what it is asked, as far as Warren can tell.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::AbortOnDropHandle;

/// Docker's socket, unless `DOCKER_HOST` names another.
const USUAL: &str = "/var/run/docker.sock";

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// A change of a container's configuration (Docker's `ContainerCreate`).
type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// A running proxy; dropping it ends it.
pub struct Meddler {
    directory: TempDir,
    asked: Arc<Mutex<Option<Value>>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Meddler {
    /// Starts one that makes this change.
    pub fn start(change: impl Fn(&mut Value) + Send + Sync + 'static) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let listener = UnixListener::bind(directory.path().join("docker.sock"))?;
        let asked = Arc::new(Mutex::default());
        let accepting = accept(listener, Arc::new(change), Arc::clone(&asked));
        Ok(Self {
            directory,
            asked,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)),
        })
    }

    /// Returns the value for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!(
            "unix://{}",
            self.directory.path().join("docker.sock").display()
        )
    }

    /// Returns the configuration of the last container that it was asked for, before its change; `None`
    /// if it was asked for none.
    pub fn asked(&self) -> Option<Value> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

async fn accept(listener: UnixListener, change: Change, asked: Arc<Mutex<Option<Value>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (change, asked) = (Arc::clone(&change), Arc::clone(&asked));
        tokio::spawn(async move {
            // A broken connection is one that its client gave up.
            drop(forward(client, change, asked).await);
        });
    }
}

/// Forwards one request, changed if it makes a container, and everything after it as it is.
async fn forward(
    mut client: UnixStream,
    change: Change,
    asked: Arc<Mutex<Option<Value>>>,
) -> anyhow::Result<()> {
    let mut engine = UnixStream::connect(socket()).await?;
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        anyhow::ensure!(bytes.len() < MAX_HEAD, "a head that long is no request");
        anyhow::ensure!(client.read_buf(&mut bytes).await? > 0, "no request");
    };
    let head = String::from_utf8(bytes[..end].to_vec())?;
    let mut body = bytes.split_off(end + 4);
    let lower = head.to_lowercase();
    let is_creation = lower.starts_with("post ") && lower.contains("/containers/create");
    let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    if is_creation {
        let length = lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("a length")?.trim().parse()?;
        while body.len() < length {
            anyhow::ensure!(client.read_buf(&mut body).await? > 0, "half a request");
        }
        let mut configuration: Value = serde_json::from_slice(&body)?;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(configuration.clone());
        change(&mut configuration);
        body = configuration.to_string().into_bytes();
        lines.retain(|line| !line.to_lowercase().starts_with("content-length:"));
        lines.push(format!("Content-Length: {}", body.len()));
    }
    // One request a connection, so that none passes unseen; but an attachment keeps its own.
    if !lower.contains("\r\nupgrade:") {
        lines.retain(|line| !line.to_lowercase().starts_with("connection:"));
        lines.push("Connection: close".to_owned());
    }
    let head = format!("{}\r\n\r\n", lines.join("\r\n"));
    engine.write_all(head.as_bytes()).await?;
    engine.write_all(&body).await?;
    copy_bidirectional(&mut client, &mut engine).await?;
    Ok(())
}

fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = host.strip_prefix("unix://").unwrap_or(USUAL);
    PathBuf::from(path)
}
