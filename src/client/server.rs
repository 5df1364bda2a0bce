//! The client of a Warren server, with advice when a request fails.

use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use ureq::http::{HeaderMap, StatusCode};
use ureq::{Body, Error};
use warren_protocol::limits::MAX_BODY;

use super::output;
use crate::cli::ServerArguments;
use crate::exit::EXIT_TROUBLE;

/// The longest wait for an answer, beyond the wait that was asked for: the server's own 5 seconds, and
/// a margin for the network.
const ANSWER: Duration = Duration::from_secs(8);
/// The largest answer to read: every stream of every test case, in JSON.
const MAX_ANSWER: u64 = 64 * MAX_BODY.get();

/// A server, and the key to send.
pub struct Server {
    base: String,
    key: Option<String>,
}

/// A server's whole answer.
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
    headers: HeaderMap,
    server: String,
}

impl Server {
    pub fn new(arguments: &ServerArguments) -> Self {
        Self {
            base: arguments.server.trim_end_matches('/').to_owned(),
            key: arguments.key.clone().filter(|key| !key.is_empty()),
        }
    }

    /// Posts a body; `prefer` is its `Prefer` header.
    pub fn post(&self, path: &str, body: &Value, prefer: Option<&str>) -> anyhow::Result<Answer> {
        let mut request = super::agent(ANSWER).post(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        self.read(request.send_json(body))
    }

    /// Gets a path; the server may take `wait` longer than usual.
    pub fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
        wait: Duration,
    ) -> anyhow::Result<Answer> {
        let mut request = super::agent(ANSWER + wait).get(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in query {
            request = request.query(*name, value);
        }
        self.read(request.call())
    }

    /// Deletes a path.
    pub fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        let mut request = super::agent(ANSWER).delete(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.read(request.call())
    }

    fn read(&self, answer: Result<ureq::http::Response<Body>, Error>) -> anyhow::Result<Answer> {
        let server = self.base.clone();
        let mut answer = answer.map_err(|error| unanswered(&server, error))?;
        let body = answer.body_mut().with_config().limit(MAX_ANSWER);
        let body = body
            .read_to_vec()
            .with_context(|| format!("the answer of {server} is incomplete"))?;
        Ok(Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body,
            server,
        })
    }
}

impl Answer {
    /// Reads the body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "the answer of {} breaks Warren's contract; check --server",
                self.server
            )
        })
    }

    /// Prints the server's error and advice; `show` formats the error for the command.
    pub fn complain(&self, show: impl FnOnce(&Value) -> String) -> anyhow::Result<ExitCode> {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        if !problem["error"]["message"].is_string() {
            return Err(anyhow!(
                "{} answers {} and is not a Warren server; check --server",
                self.server,
                self.status
            ));
        }
        let mut text = show(&problem["error"]);
        if self.status == StatusCode::UNAUTHORIZED {
            text.push_str("warren: set a key with --key or WARREN_KEY\n");
        }
        let retry_after = self.headers.get("retry-after");
        if let Some(seconds) = retry_after.and_then(|value| value.to_str().ok()) {
            text.push_str(&format!("warren: retry in {seconds} s\n"));
        }
        output::to_stderr(&text)?;
        Ok(ExitCode::from(EXIT_TROUBLE))
    }
}

fn unanswered(server: &str, error: Error) -> anyhow::Error {
    let advice = match &error {
        Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => {
            "nothing listens there; start a server with `warren up`, or name another with --server"
        }
        Error::HostNotFound => "there is no such host; correct --server",
        Error::BadUri(_) | Error::Http(_) => {
            "that is no address; give --server like http://127.0.0.1:5000"
        }
        Error::Timeout(_) => "it took too long; is it overloaded? see `warren health`",
        Error::Tls(_) | Error::Rustls(_) => {
            "its certificate or its TLS cannot be used; for a server without TLS use http:// in --server"
        }
        _ => "is it running? Start one with `warren up`",
    };
    anyhow::Error::new(error).context(format!("no answer from {server}: {advice}"))
}
