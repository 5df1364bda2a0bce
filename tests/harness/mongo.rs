//! A database for each test on the shared MongoDB, and a line to it.
//!
//! `scripts/provision test` starts that MongoDB. A test can cut the line.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use mongodb::Client;
use mongodb::bson::doc;
use mongodb::options::ClientOptions;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::JobId;

use super::proxy::Proxy;

const DEFAULT_URI: &str = "mongodb://127.0.0.1:27017/?replicaSet=rs0";

/// The address of a fresh database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    base: String,
    pub(crate) name: String,
}

impl Database {
    /// Runs `test` on a fresh database, and drops the database whatever the result.
    pub(crate) async fn with<Fut: Future<Output = ()>>(test: impl FnOnce(Self) -> Fut) {
        let base = std::env::var("WARREN_TEST_MONGODB_URI").unwrap_or_else(|_| DEFAULT_URI.into());
        let database = Self {
            base,
            name: format!("warren_test_{}", JobId::new()).replace('-', ""),
        };
        let client = database.client().await;
        let handle = client.database(&database.name);
        let outcome = AssertUnwindSafe(test(database)).catch_unwind().await;
        handle.drop().await.expect("the test's database is dropped");
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    }

    /// Returns its address, for a store.
    pub(crate) fn uri(&self) -> String {
        let (scheme, rest) = self.base.split_once("://").expect("a MongoDB address");
        let (hosts, options) = rest.split_once('?').unwrap_or((rest, ""));
        let hosts = hosts.split('/').next().unwrap_or(hosts);
        format!("{scheme}://{hosts}/{}?{options}", self.name)
    }

    /// Creates a proxy in front of the server, which can stop forwarding. Returns it and the
    /// database's address through it.
    pub(crate) async fn behind_proxy(&self) -> (Proxy, String) {
        let proxy = Proxy::to(self.server().await).await.expect("a free port");
        let uri = self.through(proxy.address().port());
        (proxy, uri)
    }

    /// Returns the address of the database through a port in front of the server.
    fn through(&self, port: u16) -> String {
        format!(
            "mongodb://127.0.0.1:{port}/{}?directConnection=true&serverSelectionTimeoutMS=500&heartbeatFrequencyMS=500",
            self.name
        )
    }

    async fn server(&self) -> String {
        let options = ClientOptions::parse(&self.base).await.expect("an address");
        options.hosts.first().expect("a host").to_string()
    }

    /// Connects on the test's own behalf. Fails the test, with advice, if there is no MongoDB.
    pub(crate) async fn client(&self) -> Client {
        let mut options = ClientOptions::parse(&self.base)
            .await
            .expect("WARREN_TEST_MONGODB_URI is a MongoDB address");
        options.server_selection_timeout = Some(Duration::from_secs(5));
        let client = Client::with_options(options).expect("the options are usable");
        let admin = client.database("admin");
        if let Err(error) = admin.run_command(doc! { "ping": 1 }).await {
            panic!(
                "no MongoDB at {}: run `scripts/provision test` (or `make test`), or set WARREN_TEST_MONGODB_URI to a replica set: {error}",
                self.base
            );
        }
        client
    }
}

/// A proxy to MongoDB that can be cut and mended; one hop in front of the real server.
pub(crate) struct Line {
    port: u16,
    up: tokio::sync::watch::Sender<bool>,
    end: CancellationToken,
}

impl Line {
    /// Creates a line to the server behind `database`, cut at first if not `up`.
    pub(crate) async fn to(database: &Database, up: bool) -> Self {
        let server = database.server().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (up, state) = tokio::sync::watch::channel(up);
        let end = CancellationToken::new();
        let until = end.clone();
        let carry = async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connection(near, server.clone(), state.clone()));
            }
        };
        tokio::spawn(async move { until.run_until_cancelled(carry).await });
        Self { port, up, end }
    }

    /// Returns the address of the database through this line.
    pub(crate) fn uri(&self, database: &Database) -> String {
        database.through(self.port)
    }

    /// Ends every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Forwards again.
    pub(crate) fn mend(&self) {
        self.up.send_replace(true);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
        self.end.cancel();
    }
}

async fn connection(
    mut near: TcpStream,
    server: String,
    mut up: tokio::sync::watch::Receiver<bool>,
) {
    if !*up.borrow() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ended = copy_bidirectional(&mut near, &mut far) => {}
        _cut = up.wait_for(|up| !up) => {}
    }
}
