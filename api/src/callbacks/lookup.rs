//! Resolves host names to addresses.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// The most names that are resolved at a time. Each takes a thread for as long as its name servers
/// need, because the system's resolver cannot be cancelled.
const MAX_LOOKUPS: usize = 16;

/// A resolver of names.
pub(crate) trait Lookup: Send + Sync {
    /// Returns all current addresses of a name.
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver: `/etc/hosts`, DNS, and whatever else it is configured to use.
pub(crate) struct System(Arc<Semaphore>);

impl Default for System {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

impl Lookup for System {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let permit = Arc::clone(&self.0).acquire_owned().await;
            let name = name.to_owned();
            let looking = tokio::task::spawn_blocking(move || {
                // The thread holds the permit, because its caller may have stopped waiting.
                let _permit = permit;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found.map(|address| address.ip()).collect())
            });
            looking.await.map_err(io::Error::other)?
        })
    }
}
