//! Client of Judge0's protocol, and the meaning of its refusals.

use std::time::Duration;

use reqwest::header::HeaderName;
use reqwest::{Client as Http, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;
use warren_outbound::{ClientError, client_builder, read_bounded};
use warren_protocol::limits::ByteSize;

use super::report::{FIELDS, Report};
use crate::execution::dispatch::config::Judge0Config;
use crate::execution::dispatch::fault::Fault;
use crate::execution::dispatch::retry_after::retry_after;
use crate::sync::Lock;

pub(super) const CODE: &str = "judge0_failed";

/// How long Judge0 may take for one request. It only stores submissions and reports on them.
const TIMEOUT: Duration = Duration::from_secs(4);
/// The largest answer that is read. One submission's two streams of 1 MiB each, in base64, fit.
const MAX_ANSWER: ByteSize = ByteSize::mib(8);
/// The largest error answer that is read.
const MAX_WORDS: ByteSize = ByteSize::kib(64);
/// How many characters of its messages are quoted.
const MAX_QUOTED: usize = 300;

const RAPID_API_KEY: HeaderName = HeaderName::from_static("x-rapidapi-key");
const RAPID_API_HOST: HeaderName = HeaderName::from_static("x-rapidapi-host");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// A client of one Judge0.
pub(super) struct Client {
    http: Http,
    config: Judge0Config,
    latency: Lock<Option<Duration>>,
}

impl Client {
    pub(super) fn new(config: Judge0Config) -> Result<Self, ClientError> {
        Ok(Self {
            http: client_builder(TIMEOUT)?.build()?,
            config,
            latency: Lock::default(),
        })
    }

    /// Returns its host.
    pub(super) fn host(&self) -> &str {
        self.config.host()
    }

    /// Returns how long its last answer took.
    pub(super) fn latency(&self) -> Option<Duration> {
        *self.latency.lock()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        self.read(self.http.get(self.url(path, &[])?))
            .await?
            .ok_or_else(|| garbage("an answer of this size"))
    }

    /// Creates submissions. Returns their tokens, in the same order.
    pub(super) async fn create(&self, submissions: &[Value]) -> Result<Vec<String>, Fault> {
        let url = self.url(
            "submissions/batch",
            &[("base64_encoded", "true"), ("wait", "false")],
        )?;
        let request = self
            .http
            .post(url)
            .json(&json!({ "submissions": submissions }));
        let answer: Option<Vec<Value>> = self.read(request).await?;
        let answer = answer.filter(|created| created.len() == submissions.len());
        let created = answer.ok_or_else(|| garbage("another number of tokens"))?;
        let tokens = created.iter().map(|entry| entry.get("token")?.as_str());
        match tokens.map(|token| Some(token?.to_owned())).collect() {
            Some(tokens) => Ok(tokens),
            // Judge0 accepts some and refuses others.
            None => Err(Fault::failed(CODE, fields_refused(&Value::Array(created)))),
        }
    }

    /// Returns the reports on these submissions; `None` if they are too large to be read at once.
    pub(super) async fn look(&self, tokens: &[String]) -> Result<Option<Vec<Report>>, Fault> {
        #[derive(Deserialize)]
        struct Batch {
            submissions: Vec<Option<Report>>,
        }
        let query = [
            ("tokens", &*tokens.join(",")),
            ("base64_encoded", "true"),
            ("fields", FIELDS),
        ];
        let url = self.url("submissions/batch", &query)?;
        let Some(batch) = self.read::<Batch>(self.http.get(url)).await? else {
            return Ok(None);
        };
        let reports: Option<Vec<Report>> = batch.submissions.into_iter().collect();
        let reports = reports.filter(|reports| {
            let said = reports.iter().map(|report| &report.token);
            said.eq(tokens)
        });
        reports
            .map(Some)
            .ok_or_else(|| garbage("other submissions than it was asked for"))
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, Fault> {
        let mut url = self
            .config
            .url
            .join(path)
            .map_err(|_invalid| Fault::refused(CODE, "JUDGE0_URL cannot be used."))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Sends the request and reads the answer; `None` if it is too large.
    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Option<T>, Fault> {
        let asked = Instant::now();
        let answer = self.authorized(request).send().await;
        let answer = answer.map_err(|error| broken(&ClientError::Http(error)))?;
        let latency = Some(asked.elapsed());
        *self.latency.lock() = latency;
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let body = match read_bounded(answer, MAX_ANSWER).await {
            Ok(body) => body,
            Err(ClientError::TooLong(_)) => return Ok(None),
            Err(error) => return Err(broken(&error).after_sending()),
        };
        let value = serde_json::from_slice(&body);
        value
            .map(Some)
            .map_err(|_no_json| garbage("something that is not Judge0's"))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let Some(key) = &self.config.key else {
            return request;
        };
        if self.config.is_rapid_api() {
            let request = request.header(RAPID_API_KEY, key);
            request.header(RAPID_API_HOST, self.config.host())
        } else {
            request.header(AUTH_TOKEN, key)
        }
    }
}

fn broken(error: &ClientError) -> Fault {
    Fault::broken(CODE, "Judge0", error)
}

/// Builds the fault of an answer that is not Judge0's: there is no Judge0, or something in front of
/// it.
pub(super) fn garbage(what: &str) -> Fault {
    let message = format!("Judge0 answered with {what}; check JUDGE0_URL.");
    Fault::failed(CODE, message).of_backend(None)
}

/// Returns the fault that an answer without success stands for.
async fn refusal(answer: Response) -> Fault {
    let (status, wish) = (answer.status(), retry_after(answer.headers()));
    let words = read_bounded(answer, MAX_WORDS).await.unwrap_or_default();
    let said: Value = serde_json::from_slice(&words).unwrap_or_default();
    let number = status.as_u16();
    // Judge0's field for it, or RapidAPI's.
    let reason = ["error", "message"]
        .iter()
        .find_map(|field| said.get(field)?.as_str());
    let reason = reason
        .map(|words| format!(": {}", quoted(words)))
        .unwrap_or_default();
    let refused =
        |advice: &str| Fault::refused(CODE, format!("Judge0 answered {number}{reason}. {advice}"));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            refused("Check JUDGE0_API_KEY.").of_backend(wish)
        }
        StatusCode::TOO_MANY_REQUESTS => {
            refused("Its quota for this key is used up.").of_backend(wish)
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            refused("It is in maintenance, or its queue is full.").of_backend(wish)
        }
        StatusCode::UNPROCESSABLE_ENTITY => Fault::refused(CODE, fields_refused(&said)),
        status if status.is_client_error() || status.is_redirection() => {
            refused("Check JUDGE0_URL, and that batched submissions are enabled there.")
        }
        _ => refused("It failed.").after_sending().of_backend(wish),
    }
}

/// Lists the reasons of a 422, which has them by field, for each submission of a batch.
fn fields_refused(said: &Value) -> String {
    let entries = match said {
        Value::Array(entries) => &entries[..],
        one => std::slice::from_ref(one),
    };
    let mut reasons: Vec<String> = Vec::new();
    for (field, words) in entries.iter().filter_map(Value::as_object).flatten() {
        let words = match words {
            Value::Array(words) => words.first().and_then(Value::as_str),
            _ => None,
        };
        // Only reasons: a token may stand here, too.
        if let Some(words) = words {
            let reason = format!("{field}: {words}");
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    let reasons = quoted(&reasons.join("; "));
    format!("Judge0 refused the submission ({reasons}).")
}

fn quoted(words: &str) -> String {
    let short: String = words.chars().take(MAX_QUOTED).collect();
    short.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use warren_config::Env;

    use super::*;
    use crate::execution::dispatch::config::FallbackConfig;

    fn headers(url: &str) -> Vec<(String, String)> {
        let mut env = Env::from([("JUDGE0_URL", url), ("JUDGE0_API_KEY", "sesame")]);
        let config = FallbackConfig::from_env(&mut env).judge0.unwrap();
        let client = Client::new(config).unwrap();
        let url = client.url("languages", &[]).unwrap();
        let request = client.authorized(client.http.get(url)).build().unwrap();
        let headers = request.headers().iter();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    #[test]
    fn the_key_goes_where_it_is_looked_for() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            headers("https://judge0-ce.p.rapidapi.com"),
            [
                pair("x-rapidapi-key", "sesame"),
                pair("x-rapidapi-host", "judge0-ce.p.rapidapi.com"),
            ]
        );
        for own in ["http://judge0:2358", "https://rapidapi.com.example.org"] {
            assert_eq!(headers(own), [pair("x-auth-token", "sesame")], "{own}");
        }
    }

    #[test]
    fn reasons_are_told_by_field_and_tokens_are_not() {
        let said = json!([
            {"token": "7f5"},
            {"language_id": ["can't be blank"], "wall_time_limit": ["is too much", "is odd"]},
            {"language_id": ["can't be blank"]},
        ]);
        assert_eq!(
            fields_refused(&said),
            "Judge0 refused the submission (language_id: can't be blank; wall_time_limit: is too much)."
        );
        let one = fields_refused(&json!({"stdin": ["is\nlong".repeat(200)]}));
        assert!(one.len() < 400 && !one.contains('\n'));
    }
}
