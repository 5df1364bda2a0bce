//! Worker that is sent jobs directly (`EXECUTOR_URL`), without the queue.

mod answer;

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Number, Value, json};
use tokio::time::Instant;
use url::Url;
use warren_http::MAX_WAIT;
use warren_outbound::{ClientError, client_builder, read_bounded};
use warren_protocol::compare::Compare;
use warren_protocol::contract::ExecuteResponse;
use warren_protocol::job::Job;
use warren_protocol::limits::ByteSize;
use warren_protocol::outcome::Outcome;
use warren_protocol::submission::{OnFailure, Submission};

use super::BackendName;
use super::config::ExecutorConfig;
use super::fallback::{Checked, Remote};
use super::fault::Fault;
use super::retry_after::retry_after;

/// The most jobs it is sent at a time. A worker refuses a job that it has no slot for.
const MAX_JOBS: usize = 64;
/// A worker answers within its own [`MAX_WAIT`].
const TIMEOUT: Duration = Duration::from_secs(MAX_WAIT.as_secs() + 1);
/// Workers are in the same network: one that has not been reached by then will not be.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// The largest answer: a worker's report and the cases it was sent, in JSON that takes up to six
/// bytes for one.
const MAX_ANSWER: ByteSize = ByteSize::mib(16);
/// The largest error or report of readiness.
const MAX_WORDS: ByteSize = ByteSize::kib(16);
const CODE: &str = "executor_failed";
const WHO: &str = "The worker at EXECUTOR_URL";

/// The worker at `EXECUTOR_URL`.
pub(super) struct DirectWorker {
    http: Client,
    config: ExecutorConfig,
}

impl DirectWorker {
    pub(super) fn new(config: ExecutorConfig) -> Result<Self, ClientError> {
        let http = client_builder(TIMEOUT)?
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        Ok(Self { http, config })
    }

    fn url(&self, path: &str) -> Result<Url, Fault> {
        let url = self.config.url.join(path);
        url.map_err(|_invalid| Fault::refused(CODE, "EXECUTOR_URL cannot be used."))
    }

    async fn post(&self, submission: &Submission) -> Result<Response, Fault> {
        let mut request = self
            .http
            .post(self.url("execute")?)
            .json(&body_of(submission));
        if let Some(authorization) = &self.config.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(broken)
    }
}

impl Remote for DirectWorker {
    fn name(&self) -> BackendName {
        BackendName::Executor
    }

    fn max_jobs(&self) -> usize {
        MAX_JOBS
    }

    fn run<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Result<Outcome, Fault>> {
        Box::pin(async move {
            let answer = self.post(&job.submission).await?;
            let (status, wish) = (answer.status(), retry_after(answer.headers()));
            if status != StatusCode::OK {
                let words = read_bounded(answer, MAX_WORDS).await.unwrap_or_default();
                return Err(refusal(status, &words, wish));
            }
            let body = read_bounded(answer, MAX_ANSWER).await;
            // The job was sent, whatever is wrong with the answer.
            let body = body.map_err(|error| Fault::broken(CODE, WHO, &error).after_sending())?;
            let response = serde_json::from_slice::<ExecuteResponse>(&body).ok();
            let outcome = response.and_then(|response| answer::outcome(&job.submission, response));
            outcome.ok_or_else(|| {
            let message = format!(
                "{WHO} answered with something that is no worker's result for this job; check the address and that both are of one version."
            );
            Fault::failed(CODE, message).of_backend(None)
        })
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<Checked, Fault>> {
        Box::pin(async move {
            let asked = Instant::now();
            let answer = self.http.get(self.url("readyz")?).send().await;
            let answer = answer.map_err(broken)?;
            let (status, latency) = (answer.status(), asked.elapsed());
            let words = read_bounded(answer, MAX_WORDS).await.unwrap_or_default();
            match status {
                StatusCode::OK => Ok(Checked {
                    latency: Some(latency),
                    detail: "ready, for when the queue is not".to_owned(),
                }),
                // It says so only while it is not ready, so there is no need to open the breaker.
                status => Err(Fault::refused(
                    CODE,
                    format!(
                        "{WHO} is not ready ({}): {}",
                        status.as_u16(),
                        String::from_utf8_lossy(&words).trim()
                    ),
                )),
            }
        })
    }
}

fn broken(error: reqwest::Error) -> Fault {
    Fault::broken(CODE, WHO, &ClientError::Http(error))
}

/// Returns the fault that an answer other than 200 stands for.
fn refusal(status: StatusCode, words: &[u8], wish: Option<Duration>) -> Fault {
    let said = serde_json::from_slice::<Value>(words).ok();
    let said = said.as_ref().and_then(|body| body.get("error"));
    let said = |field| said.and_then(|error| error.get(field)?.as_str());
    let (code, number) = (said("code").unwrap_or("no code"), status.as_u16());
    let message = format!(
        "{WHO} answered {number} ({code}): {}",
        said("message").unwrap_or("it gave no reason.")
    );
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let message = format!(
                "{WHO} wants another secret ({number}); set WARREN_WORKER_SECRET alike for API and worker."
            );
            Fault::refused(CODE, message).of_backend(None)
        }
        StatusCode::TOO_MANY_REQUESTS => Fault::refused(CODE, message).of_backend(wish),
        // Every slot is taken, or it can run nothing just now. If it had begun the job, it has
        // given it up, and nothing of it is left.
        StatusCode::SERVICE_UNAVAILABLE => Fault::refused(CODE, message),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            let message = format!("{WHO} has no POST /execute ({number}); check the address.");
            Fault::refused(CODE, message).of_backend(None)
        }
        status if status.is_redirection() => {
            let message = format!("{WHO} answered with a redirect ({number}); check the address.");
            Fault::refused(CODE, message).of_backend(None)
        }
        // The job is valid here, so the worker has another version or other languages.
        status if status.is_client_error() => Fault::refused(CODE, message),
        StatusCode::BAD_GATEWAY => Fault::failed(CODE, message).of_backend(None),
        _ => Fault::failed(CODE, message),
    }
}

/// Returns the submission as a request.
fn body_of(submission: &Submission) -> Value {
    let (compare, tolerance) = match submission.compare() {
        Compare::Trimmed => ("trimmed", None),
        Compare::Exact => ("exact", None),
        Compare::Tokens => ("tokens", None),
        Compare::Unordered => ("unordered", None),
        Compare::Float(tolerance) => ("float", Number::from_f64(tolerance.get())),
    };
    let cases = submission
        .test_cases()
        .iter()
        .map(|case| json!({ "input": case.input(), "expectedOutput": case.expected_output() }));
    json!({
        "language": submission.language(),
        "code": submission.code(),
        "input": submission.input(),
        "testCases": cases.collect::<Vec<_>>(),
        "compare": compare,
        "tolerance": tolerance,
        "stopOnFailure": submission.on_failure() == OnFailure::Stop,
    })
}

#[cfg(test)]
mod tests {
    use warren_languages::{Languages, PolicyMode};
    use warren_protocol::contract::ExecuteRequest;

    use super::*;

    #[test]
    fn a_submission_survives_the_way_to_a_worker() {
        for request in [
            json!({"language": "python", "code": "1"}),
            json!({"language": "js", "code": "1", "input": "", "stopOnFailure": true}),
            json!({"language": "python", "code": "1", "input": "in", "compare": "float",
                   "tolerance": 0.000_123, "testCases": [{"input": "a", "expectedOutput": "b"}]}),
            json!({"language": "python", "code": "1", "compare": "unordered",
                   "testCases": [{"expectedOutput": "b"}]}),
        ] {
            let parse = |body: &Value| {
                let request = ExecuteRequest::from_json(body.to_string().as_bytes()).unwrap();
                Submission::parse(request, &Languages::embedded(), PolicyMode::Enforce).unwrap()
            };
            let sent = parse(&request);
            assert!(parse(&body_of(&sent)) == sent, "{request}");
        }
    }
}
