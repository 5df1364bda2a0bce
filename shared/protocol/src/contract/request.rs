//! The body of a request to run code.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Number;
use utoipa::ToSchema;

use crate::refusal::Refusal;

/// The body of `POST /api/rooms/{roomId}/execute` and of the worker's `POST /execute`. It has the
/// right shape; [`Submission::parse`](crate::submission::Submission::parse) checks everything else.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(description = "What to run, and how to judge it.")]
pub struct ExecuteRequest {
    /// A language's name or alias.
    #[schema(examples("python", "javascript"))]
    pub language: String,
    /// The source: at most 10,240 bytes of UTF-8, not blank, without NUL.
    #[schema(
        min_length = 1,
        max_length = 10240,
        pattern = r"^[^\x00]*[^\s\x00][^\x00]*$",
        examples("print(int(input()) * 2)")
    )]
    pub code: String,
    /// Standard input, at most 262,144 bytes; absent and `null` are the same.
    #[schema(max_length = 262_144)]
    pub input: Option<String>,
    /// Test cases; absent and empty are the same.
    #[schema(max_items = 50)]
    #[serde(default)]
    pub test_cases: Vec<TestCaseRequest>,
    /// The comparison by which an output counts as expected: the same lines but for white space at
    /// their ends (`trimmed`, the default, also for `null`), the same bytes (`exact`), the same
    /// words (`tokens`), the same words with numbers by value (`float`), the same lines in any order
    /// (`unordered`).
    #[schema(value_type = Option<CompareName>)]
    pub compare: Option<String>,
    /// The distance at which numbers still count as equal; only with `"compare": "float"`, and then
    /// 1e-6 by default.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, exclusive_maximum = 1)]
    pub tolerance: Option<Number>,
    /// Whether to stop at the first failure; false if absent.
    pub stop_on_failure: Option<bool>,
    /// The address to post the result to, if the operator permits callbacks: an absolute http or
    /// https address that is reachable from the public internet.
    #[schema(max_length = 2048, format = "uri")]
    pub callback_url: Option<String>,
}

/// The comparisons, for the API's description.
#[derive(ToSchema)]
#[schema(as = Compare, rename_all = "snake_case")]
#[expect(dead_code, reason = "only described: requests carry the name as text")]
pub(crate) enum CompareName {
    Trimmed,
    Exact,
    Tokens,
    Float,
    Unordered,
}

/// One of `testCases`.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TestCaseRequest {
    /// Standard input, at most 262,144 bytes; absent is empty.
    #[schema(max_length = 262_144)]
    #[serde(default)]
    pub input: String,
    /// What the program must print, at most 65,536 bytes.
    #[schema(max_length = 65_536)]
    pub expected_output: String,
    /// Whether only the verdict on this case and its duration are answered, recorded and posted;
    /// false if absent.
    pub hidden: Option<bool>,
}

impl ExecuteRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the fault and its place: no JSON, an unknown field, or a missing or
    /// wrong one.
    pub fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        read(body)
    }

    /// Passes the request on if it has no callbackUrl, for servers that post no results.
    ///
    /// # Errors
    /// [`Refusal::CallbacksOff`] with `instead`, the advice to the caller.
    pub fn without_callback(self, instead: &'static str) -> Result<Self, Refusal> {
        match self.callback_url {
            None => Ok(self),
            Some(_) => Err(Refusal::CallbacksOff { instead }),
        }
    }
}

/// Reads a body of the contract.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let request = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => String::new(),
            path => path,
        };
        refusal(&path, error.inner())
    })?;
    json.end().map_err(|error| refusal("", &error))?;
    Ok(request)
}

/// Turns serde_json's error into a refusal. serde_json distinguishes faults of shape from faults of
/// syntax by category alone, and unknown fields by its message alone.
fn refusal(path: &str, error: &serde_json::Error) -> Refusal {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    if !error.is_data() {
        return Refusal::InvalidJson {
            reason,
            line: error.line(),
            column: error.column(),
        };
    }
    match reason.strip_prefix("unknown field ") {
        Some(rest) => {
            let mut names = rest.split('`').skip(1).step_by(2).map(str::to_owned);
            let name = names.next().unwrap_or_default();
            // The path already ends in the field if the deserialiser had reached it.
            let field = if path.ends_with(&name) {
                path.to_owned()
            } else {
                [path, &name]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(".")
            };
            Refusal::UnknownField {
                field,
                known: names.collect(),
            }
        }
        None => Refusal::InvalidField {
            path: path.to_owned(),
            reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Refusal {
        match ExecuteRequest::from_json(body.as_bytes()) {
            Err(refusal) => refusal,
            Ok(_) => panic!("{body} was taken"),
        }
    }

    #[test]
    fn the_smallest_request_is_accepted() {
        let request = ExecuteRequest::from_json(br#"{"language":"python","code":"1"}"#);
        assert!(request.is_ok_and(|r| r.input.is_none() && r.test_cases.is_empty()));
    }

    #[test]
    fn each_fault_of_shape_is_reported_with_its_place() {
        assert_eq!(refused("{").code(), "invalid_json");
        assert_eq!(refused("").code(), "invalid_json");
        assert_eq!(
            refused(r#"{"language":"python","code":"1"} x"#).code(),
            "invalid_json"
        );
        assert_eq!(refused("[]").code(), "invalid_field");
        let missing = refused(r#"{"language":"python"}"#);
        assert_eq!(
            missing,
            Refusal::InvalidField {
                path: String::new(),
                reason: "missing field `code`".into()
            }
        );
        let typed =
            refused(r#"{"language":"python","code":"1","testCases":[{"expectedOutput":3}]}"#);
        assert!(
            matches!(&typed, Refusal::InvalidField { path, .. } if path == "testCases[0].expectedOutput")
        );
    }

    #[test]
    fn unknown_fields_are_named_with_their_place() {
        let top = refused(r#"{"language":"python","code":"1","timeout":9}"#);
        assert!(
            matches!(&top, Refusal::UnknownField { field, known } if field == "timeout" && known.len() == 8),
            "{top:?}"
        );
        let inner = refused(r#"{"language":"python","code":"1","testCases":[{"expected":"1"}]}"#);
        assert!(
            matches!(&inner, Refusal::UnknownField { field, .. } if field == "testCases[0].expected"),
            "{inner:?}"
        );
    }
}
