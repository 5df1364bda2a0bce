//! Refusals of wrong requests, each with its own code, status and advice.

use serde_json::{Number, Value, json};

use crate::ids::InvalidId;
use crate::limits::{ByteSize, MAX_BATCH, MAX_CODE, MAX_TEST_CASES};
use crate::problem::Problem;
use warren_languages::Violation;

/// A fault in a request, which the caller can always correct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not JSON.
    #[error(
        "The body is not valid JSON ({reason}, line {line} column {column}). Send one JSON object."
    )]
    InvalidJson {
        /// The parser's complaint.
        reason: String,
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault, from 1.
        column: usize,
    },
    /// The body is JSON of another shape: a missing field, a wrong type.
    #[error(
        "{}: {reason}. Send {{\"language\",\"code\"}} and optionally \"input\", \"testCases\", \"compare\", \"tolerance\", \"stopOnFailure\" and \"callbackUrl\".",
        at(path)
    )]
    InvalidField {
        /// The path within the body (`testCases[0].input`), empty for the body itself.
        path: String,
        /// The fault at that path.
        reason: String,
    },
    /// The body has a field that the contract does not know.
    #[error("Unknown field {field:?}. Remove it or correct its name; the known fields are: {}.", known.join(", "))]
    UnknownField {
        /// The field, with its path.
        field: String,
        /// The known fields at that path.
        known: Vec<String>,
    },
    /// The body is not sent as JSON.
    #[error(
        "The Content-Type must be application/json, not {given:?}. Send the body as JSON with that header."
    )]
    NotJson {
        /// The media type it was sent with.
        given: String,
    },
    /// The body is sent without a media type.
    #[error(
        "There is no Content-Type. Send the body as JSON with the header \"Content-Type: application/json\"."
    )]
    NoMediaType,
    /// The body is over its cap.
    #[error("The body is larger than {} bytes. Send less code, input or test cases.", limit.get())]
    BodyTooLarge {
        /// The cap.
        limit: ByteSize,
    },
    /// The body is no batch, or has too few or too many submissions.
    #[error(
        "The body is not a batch ({reason}). Send {{\"submissions\": [...]}} with 1 to {MAX_BATCH} bodies of POST /api/rooms/{{roomId}}/execute."
    )]
    InvalidBatch {
        /// The fault of the batch.
        reason: String,
    },
    /// The room id has the wrong form.
    #[error("The room id is not valid: {0}. Correct it in the path.")]
    InvalidRoom(#[from] InvalidId),
    /// The language is unknown.
    #[error("Unknown language {given:?}. Use one of: {}.", known.join(", "))]
    UnknownLanguage {
        /// The requested name.
        given: String,
        /// The known names.
        known: Vec<String>,
    },
    /// The comparison is unknown.
    #[error("Unknown comparison {given:?}. Use one of: {}.", known.join(", "))]
    UnknownCompare {
        /// The requested name.
        given: String,
        /// The known names.
        known: Vec<String>,
    },
    /// The tolerance is out of its bounds.
    #[error(
        "The tolerance {given} is not above 0 and below 1. Correct it, or omit it to use 1e-6."
    )]
    InvalidTolerance {
        /// The requested tolerance.
        given: Number,
    },
    /// There is a tolerance, but the comparison compares no numbers.
    #[error(
        "A tolerance has no meaning with \"compare\": {compare:?}. Remove it, or use \"compare\": \"float\"."
    )]
    StrayTolerance {
        /// The requested comparison.
        compare: String,
    },
    /// Results may not be posted to the callbackUrl.
    #[error("The result cannot be posted to the callbackUrl: {reason}. Correct it, or omit it.")]
    InvalidCallbackUrl {
        /// The reason, without the address, which may hold a secret.
        reason: String,
    },
    /// There is a callbackUrl, but this server posts no results.
    #[error("Results are not posted here. {instead}")]
    CallbacksOff {
        /// The advice to the caller.
        instead: &'static str,
    },
    /// The code is empty or blank.
    #[error("The code is empty. Send the source of a program in \"code\".")]
    EmptyCode,
    /// The code is over its cap.
    #[error("The code has {bytes} bytes; at most {} are allowed. Shorten it.", MAX_CODE.get())]
    CodeTooLarge {
        /// The size of the code.
        bytes: usize,
    },
    /// The code has a NUL byte, which no interpreter accepts.
    #[error("The code has a NUL character on line {line}. Remove it.")]
    NulInCode {
        /// The line of the first one, from 1.
        line: usize,
    },
    /// There are too many test cases.
    #[error(
        "There are {given} test cases; at most {MAX_TEST_CASES} are allowed. Split them over several requests."
    )]
    TooManyTestCases {
        /// The number of test cases.
        given: usize,
    },
    /// An input or an expected output is over its cap.
    #[error("{field} has {bytes} bytes; at most {limit} are allowed. Shorten it.")]
    FieldTooLarge {
        /// The path of the field.
        field: String,
        /// The size of its text.
        bytes: usize,
        /// The cap.
        limit: usize,
    },
    /// The code uses something forbidden.
    #[error("{}", describe(violations))]
    ForbiddenCode {
        /// Every violation, in the order of the code.
        violations: Vec<Violation>,
    },
}

impl Refusal {
    /// Returns the error code, which programs may rely on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson { .. } => "invalid_json",
            Self::InvalidField { .. } => "invalid_field",
            Self::UnknownField { .. } => "unknown_field",
            Self::NotJson { .. } | Self::NoMediaType => "unsupported_media_type",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::InvalidBatch { .. } => "invalid_batch",
            Self::InvalidRoom(_) => "invalid_room",
            Self::UnknownLanguage { .. } => "unknown_language",
            Self::UnknownCompare { .. } => "unknown_compare",
            Self::InvalidTolerance { .. } => "invalid_tolerance",
            Self::StrayTolerance { .. } => "stray_tolerance",
            Self::InvalidCallbackUrl { .. } => "invalid_callback_url",
            Self::CallbacksOff { .. } => "callbacks_off",
            Self::EmptyCode => "empty_code",
            Self::CodeTooLarge { .. } => "code_too_large",
            Self::NulInCode { .. } => "nul_in_code",
            Self::TooManyTestCases { .. } => "too_many_test_cases",
            Self::FieldTooLarge { .. } => "field_too_large",
            Self::ForbiddenCode { .. } => "forbidden_code",
        }
    }

    fn status(&self) -> u16 {
        match self {
            Self::CodeTooLarge { .. } | Self::FieldTooLarge { .. } | Self::BodyTooLarge { .. } => {
                413
            }
            Self::NotJson { .. } | Self::NoMediaType => 415,
            _ => 400,
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::InvalidJson { line, column, .. } => json!({ "line": line, "column": column }),
            Self::InvalidField { path, reason } => json!({ "field": path, "reason": reason }),
            Self::UnknownField { field, known } => json!({ "field": field, "known": known }),
            Self::NotJson { given } => json!({ "contentType": given }),
            Self::BodyTooLarge { limit } => json!({ "limitBytes": limit.get() }),
            Self::InvalidBatch { reason } => json!({ "reason": reason, "limit": MAX_BATCH }),
            Self::UnknownLanguage { given, known } => json!({ "language": given, "known": known }),
            Self::UnknownCompare { given, known } => json!({ "compare": given, "known": known }),
            Self::InvalidTolerance { given } => json!({ "tolerance": given }),
            Self::StrayTolerance { compare } => json!({ "compare": compare }),
            Self::CodeTooLarge { bytes } => json!({ "bytes": bytes, "limitBytes": MAX_CODE.get() }),
            Self::NulInCode { line } => json!({ "line": line }),
            Self::TooManyTestCases { given } => json!({ "given": given, "limit": MAX_TEST_CASES }),
            Self::FieldTooLarge {
                field,
                bytes,
                limit,
            } => {
                json!({ "field": field, "bytes": bytes, "limitBytes": limit })
            }
            Self::ForbiddenCode { violations } => json!({ "violations": violations }),
            Self::InvalidCallbackUrl { .. } | Self::CallbacksOff { .. } => {
                json!({ "field": "callbackUrl" })
            }
            Self::NoMediaType => json!({ "contentType": null }),
            Self::EmptyCode | Self::InvalidRoom(_) => Value::Null,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status(), refusal.code(), refusal.to_string())
            .with_details(refusal.details())
    }
}

fn at(path: &str) -> String {
    if path.is_empty() {
        "The body".to_owned()
    } else {
        format!("Field {path:?}")
    }
}

fn describe(violations: &[Violation]) -> String {
    let places: Vec<String> = violations
        .iter()
        .map(|v| format!("line {} column {}: {}", v.line, v.column, v.message))
        .collect();
    format!(
        "The code uses something that is not allowed here. {}",
        places.join(" ")
    )
}
