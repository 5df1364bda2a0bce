//! An HTTP client of Warren.

use std::io::Read;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::wait::SOON;

/// The pause between two tries when a busy machine had no time.
const PAUSE: Duration = Duration::from_millis(200);

/// An answer, and how long it took.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, `null` if it is no JSON.
    pub body: Value,
    /// The body as it arrived.
    pub raw: String,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The `x-job-id` header: the request became this job.
    pub job_id: Option<String>,
    /// From sending to the last byte.
    pub took: Duration,
}

impl Answer {
    /// Returns the state that a health report has without the findings about its host: on which
    /// host the tests run is no matter of theirs.
    pub fn health_without_host(&self) -> &'static str {
        let services = self.body["services"].as_object();
        let states = services
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != "host");
        let states: Vec<&str> = states.filter_map(|(_, it)| it["status"].as_str()).collect();
        let worst = ["down", "degraded", "ok"]
            .into_iter()
            .find(|state| states.contains(state));
        match (self.text("status"), worst) {
            // An API reports services that it is well without.
            ("ok", _) => "ok",
            ("degraded", Some("ok")) => "ok",
            ("degraded", _) => "degraded",
            _ => "down",
        }
    }

    /// Returns a string of the body.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// Returns the error's code, empty if it is none.
    pub fn error_code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// Returns whether the job was refused or given up for lack of time, so that there is no
    /// verdict.
    pub fn is_late(&self) -> bool {
        matches!(self.error_code(), "overloaded" | "timed_out")
    }

    /// Returns whether a busy machine may be the cause: the job was late, or a run was not ended by
    /// the program. (Programs that take their whole time are not submitted this way.)
    fn is_cut_short(&self, stops_on_failure: bool) -> bool {
        let statuses = self.body["testResults"].as_array().into_iter().flatten();
        let mut statuses = statuses.chain([&self.body]).map(|run| &run["status"]);
        self.is_late()
            || statuses.any(|status| {
                status == "time_limit_exceeded" || (status == "not_run" && !stops_on_failure)
            })
    }
}

/// Returns the client of all tests. It keeps no connection for the next request: a server of one
/// test may get the port of another's.
pub fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let builder = warren_outbound::command_builder(SOON);
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

/// Posts a submission to `url` until the machine has time for it; returns that answer. This is for
/// programs that end by themselves. On a machine with other load any of them may reach the
/// contract's time limits, which is an honest answer but shows nothing about the program.
pub async fn judged(url: &str, submission: &Value) -> Answer {
    let stops_on_failure = submission["stopOnFailure"] == true;
    let started = Instant::now();
    loop {
        let answer = submit(url.to_owned(), submission).await;
        let answer = answer.expect("an answer");
        if !answer.is_cut_short(stops_on_failure) || started.elapsed() > SOON {
            return answer;
        }
        eprintln!(
            "no time for it yet ({}): {:.300}",
            answer.status, answer.raw
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns a submission of `code` alone.
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
