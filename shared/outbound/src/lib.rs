//! The HTTP client of requests that Warren itself sends.
//!
//! The API sends callbacks and asks its fallbacks and key servers, every process sends traces, and the
//! commands ask a server. Each request is bounded in time, each answer in length.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use warren_protocol::limits::ByteSize;

/// The longest that establishing a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const USER_AGENT: &str = concat!("warren/", env!("CARGO_PKG_VERSION"));

/// A failure to create a client or to read an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The cryptography cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// The library rejected the settings, or the exchange failed.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// The answer is longer than allowed.
    #[error("the answer is longer than {} bytes", .0.get())]
    TooLong(ByteSize),
}

/// Begins a client that trusts Mozilla's roots, follows no redirects and ignores proxy variables. Each
/// request, body included, ends within `timeout`. The caller can set more on the builder.
///
/// # Errors
/// [`ClientError::Tls`].
pub fn client_builder(timeout: Duration) -> Result<ClientBuilder, ClientError> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls()?)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .user_agent(USER_AGENT))
}

/// Creates the same client for a thread of its own. It must not be created or used on an async runtime.
///
/// # Errors
/// [`ClientError::Tls`], or the library rejects the settings.
pub fn blocking_client(timeout: Duration) -> Result<reqwest::blocking::Client, ClientError> {
    let builder = command_builder(timeout)?
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT);
    Ok(builder.build()?)
}

/// Begins a blocking client for a person's command. It trusts Mozilla's roots, follows redirects and
/// obeys proxy variables, because the person chose the address.
///
/// # Errors
/// [`ClientError::Tls`].
pub fn command_builder(timeout: Duration) -> Result<reqwest::blocking::ClientBuilder, ClientError> {
    Ok(reqwest::blocking::Client::builder()
        .tls_backend_preconfigured(tls()?)
        .timeout(timeout)
        .user_agent(USER_AGENT))
}

fn tls() -> Result<ClientConfig, ClientError> {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}

/// Reads the whole body of an answer, of at most `limit`.
///
/// # Errors
/// [`ClientError::TooLong`], or the error that interrupted it.
pub async fn read_bounded(mut answer: Response, limit: ByteSize) -> Result<Vec<u8>, ClientError> {
    let mut read = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if read.len() + chunk.len() > limit.as_len() {
            return Err(ClientError::TooLong(limit));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}
