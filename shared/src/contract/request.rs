//! What a caller sends to have code run.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Number;

use crate::contract::Refusal;

/// The body of `POST /api/rooms/{roomId}/execute` and of the worker's `POST /execute`, of the
/// right shape but with nothing else checked yet; see [`crate::submission::Submission::parse`].
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExecuteRequest {
    /// A language's name or alias.
    pub language: String,
    /// The source.
    pub code: String,
    /// Standard input; absent and `null` are the same.
    pub input: Option<String>,
    /// Test cases; absent and empty are the same.
    #[serde(default)]
    pub test_cases: Vec<TestCaseRequest>,
    /// How outputs are compared; see [`crate::compare::Compare::parse`].
    pub compare: Option<String>,
    /// How far numbers may be apart, if they are compared as such.
    pub tolerance: Option<Number>,
    /// Whether the first failure is the last run; absent is no.
    pub stop_on_failure: Option<bool>,
}

/// One of `testCases`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TestCaseRequest {
    /// Standard input; absent is empty.
    #[serde(default)]
    pub input: String,
    /// What the program must print.
    pub expected_output: String,
}

impl ExecuteRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// A [`Refusal`] that says whether it is no JSON, has an unknown field, or lacks something,
    /// and where.
    pub fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        read(body)
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

/// serde_json tells faults of shape apart from faults of syntax only by category, and unknown
/// fields only by its message.
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
            // The path already ends in the field when the deserializer had got that far.
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
    fn the_smallest_request_is_taken() {
        let request = ExecuteRequest::from_json(br#"{"language":"python","code":"1"}"#);
        assert!(request.is_ok_and(|r| r.input.is_none() && r.test_cases.is_empty()));
    }

    #[test]
    fn each_fault_of_shape_is_told_with_its_place() {
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
            matches!(&top, Refusal::UnknownField { field, known } if field == "timeout" && known.len() == 7),
            "{top:?}"
        );
        let inner = refused(r#"{"language":"python","code":"1","testCases":[{"expected":"1"}]}"#);
        assert!(
            matches!(&inner, Refusal::UnknownField { field, .. } if field == "testCases[0].expected"),
            "{inner:?}"
        );
    }
}
