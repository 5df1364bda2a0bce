//! A MongoDB of a test's own, which it can kill and start.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use mongodb::Client;
use mongodb::bson::doc;
use tempfile::TempDir;

use super::broker::free_ports;
use super::wait::SOON;

/// A replica set of one on a loopback port of its own, with its data in a temporary directory.
/// Dropping it kills it.
pub struct Mongod {
    directory: TempDir,
    port: u16,
    server: Option<Child>,
}

impl Mongod {
    /// Starts one.
    pub async fn run() -> anyhow::Result<Self> {
        let [port] = free_ports();
        let mut mongod = Self {
            directory: TempDir::with_prefix("warren-mongod-")?,
            port,
            server: None,
        };
        mongod.start()?;
        let members = doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
        let initiate = doc! { "replSetInitiate": { "_id": "rs0", "members": [members] } };
        let admin = mongod.client().await?.database("admin");
        let started = Instant::now();
        while let Err(error) = admin.run_command(initiate.clone()).await {
            anyhow::ensure!(started.elapsed() < SOON, "no replica set: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        mongod.until_writable().await?;
        Ok(mongod)
    }

    /// Returns its address, with a database.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/warren?replicaSet=rs0", self.port)
    }

    /// Starts it with the data that it had, without waiting.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))?;
        let server = Command::new(binary())
            .arg("--dbpath")
            .arg(self.directory.path())
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", "rs0"])
            .args(["--port", &self.port.to_string(), "--oplogSize", "64"])
            .args(["--wiredTigerCacheSizeGB", "0.25"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("a mongod is needed: run `scripts/provision test` (or `make test`), or name one in WARREN_TEST_MONGOD")?;
        self.server = Some(server);
        Ok(())
    }

    /// Waits until it accepts writes.
    pub async fn until_writable(&self) -> anyhow::Result<()> {
        let admin = self.client().await?.database("admin");
        let started = Instant::now();
        loop {
            let hello = admin.run_command(doc! { "hello": 1 }).await;
            if hello.is_ok_and(|h| h.get_bool("isWritablePrimary").unwrap_or(false)) {
                return Ok(());
            }
            anyhow::ensure!(started.elapsed() < SOON, "this mongod takes no writes");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let uri = format!(
            "mongodb://127.0.0.1:{}/?directConnection=true&serverSelectionTimeoutMS=1000",
            self.port
        );
        Ok(Client::with_uri_str(uri).await?)
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the binary that `scripts/provision test` installs, else the one on the path.
fn binary() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let brought = cache
        .or(home)
        .map(|cache| cache.join("warren/mongodb/fiftyone/db/bin/mongod"));
    let named = std::env::var_os("WARREN_TEST_MONGOD").map(PathBuf::from);
    let there = named.or(brought.filter(|path| path.exists()));
    there.unwrap_or_else(|| "mongod".into())
}
