//! The client of a Warren server, with advice when a request fails.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use reqwest::blocking::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use warren_protocol::limits::MAX_BODY;

use super::output;
use super::unanswered::{SystemResolver, unanswered};
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
        let mut request = self.request(Method::POST, path, ANSWER)?.json(body);
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        self.read(request)
    }

    /// Gets a path; the server may take `wait` longer than usual.
    pub fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
        wait: Duration,
    ) -> anyhow::Result<Answer> {
        let request = self.request(Method::GET, path, ANSWER + wait)?;
        self.read(request.query(query))
    }

    /// Deletes a path.
    pub fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.read(self.request(Method::DELETE, path, ANSWER)?)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        within: Duration,
    ) -> anyhow::Result<RequestBuilder> {
        let client = warren_outbound::command_builder(within)?
            .dns_resolver(Arc::new(SystemResolver))
            .build()?;
        let mut request = client.request(method, format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        Ok(request)
    }

    fn read(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let server = self.base.clone();
        let answer = request.send().map_err(|error| unanswered(&server, error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        answer
            .take(MAX_ANSWER + 1)
            .read_to_end(&mut body)
            .with_context(|| format!("the answer of {server} is incomplete"))?;
        ensure!(
            body.len() as u64 <= MAX_ANSWER,
            "the answer of {server} is longer than {MAX_ANSWER} bytes"
        );
        Ok(Answer {
            status,
            headers,
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
        let retry_after = self.headers.get(RETRY_AFTER);
        if let Some(seconds) = retry_after.and_then(|value| value.to_str().ok()) {
            text.push_str(&format!("warren: retry in {seconds} s\n"));
        }
        output::to_stderr(&text)?;
        Ok(ExitCode::from(EXIT_TROUBLE))
    }
}
