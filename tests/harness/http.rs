//! A caller of Warren's HTTP.

use std::io::Read;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

/// An answer, and how long it took.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, `null` if it is no JSON.
    pub body: Value,
    /// The body as it came.
    pub raw: String,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The `x-job-id` header: the request became this job.
    pub job_id: Option<String>,
    /// From sending to the last byte.
    pub took: Duration,
}

impl Answer {
    /// A string of the body.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// The error's code, empty if it is none.
    pub fn error_code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// The client of all tests. It keeps no connection for the next request: a server of one test may
/// get the port of another's.
pub fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let builder = warren_outbound::command_builder(Duration::from_secs(30));
        let builder = builder.expect("TLS").pool_max_idle_per_host(0);
        builder.no_proxy().build().expect("a client")
    });
    &CLIENT
}

/// Gets `url`.
pub async fn get(url: String) -> anyhow::Result<Answer> {
    blocking(move || client().get(&url).send()).await
}

/// Submits to `url` with one more header.
pub async fn with_header(
    url: String,
    (name, value): (&'static str, &'static str),
    submission: &Value,
) -> anyhow::Result<Answer> {
    let body = submission.to_string();
    blocking(move || {
        let request = client().post(&url).header(name, value);
        let request = request.header(CONTENT_TYPE, "application/json");
        request.body(body).send()
    })
    .await
}

/// Deletes `url`.
pub async fn delete(url: String) -> anyhow::Result<Answer> {
    blocking(move || client().delete(&url).send()).await
}

/// Posts `body` to `url` as it is.
pub async fn post(
    url: String,
    content_type: &'static str,
    body: Vec<u8>,
) -> anyhow::Result<Answer> {
    blocking(move || {
        let request = client().post(&url).header(CONTENT_TYPE, content_type);
        request.body(body).send()
    })
    .await
}

/// Posts a submission to `url`.
pub async fn submit(url: String, submission: &Value) -> anyhow::Result<Answer> {
    post(url, "application/json", submission.to_string().into_bytes()).await
}

/// A submission of `code` alone.
pub fn program(language: &str, code: &str) -> Value {
    json!({ "language": language, "code": code })
}

async fn blocking(
    call: impl FnOnce() -> reqwest::Result<Response> + Send + 'static,
) -> anyhow::Result<Answer> {
    let asking = tokio::task::spawn_blocking(move || {
        let asked = Instant::now();
        let response = call()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut bytes = Vec::new();
        response.take(64 << 20).read_to_end(&mut bytes)?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let header = |name| {
            let value = headers.get(name);
            value.and_then(|v| v.to_str().ok()).map(str::to_owned)
        };
        anyhow::Ok(Answer {
            status,
            raw: String::from_utf8_lossy(&bytes).into_owned(),
            body,
            retry_after: header("retry-after"),
            job_id: header("x-job-id"),
            took: asked.elapsed(),
        })
    });
    asking.await?
}
