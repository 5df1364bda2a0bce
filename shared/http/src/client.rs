//! A client for the requests that Warren itself sends, with bounded answers.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use warren_protocol::limits::ByteSize;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const USER_AGENT: &str = concat!("warren/", env!("CARGO_PKG_VERSION"));

/// Why no client could be made, or no answer read.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The cryptography cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The library refuses, or the exchange failed.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// The answer is longer than it may be.
    #[error("the answer is longer than {} bytes", .0.get())]
    TooLong(ByteSize),
}

/// A client that trusts Mozilla's roots, follows no redirects and heeds no proxy variables. Each
/// request ends within `timeout`, body and all. More can be set on the builder.
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

/// The same for a thread of its own; not to be made or used on an async runtime.
///
/// # Errors
/// [`ClientError::Tls`], or the library refuses.
pub fn blocking_client(timeout: Duration) -> Result<reqwest::blocking::Client, ClientError> {
    let builder = command_builder(timeout)?
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT);
    Ok(builder.build()?)
}

/// A blocking client for a person's command. It trusts Mozilla's roots, follows redirects and
/// heeds proxy variables, since the person chose the address.
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

/// The whole body of an answer, of at most `limit`.
///
/// # Errors
/// [`ClientError::TooLong`], or whatever broke it off.
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
