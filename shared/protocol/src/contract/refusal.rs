//! Every way a request can be wrong, each with its own code, status and advice.

use serde_json::{Number, Value, json};

use crate::contract::{MAX_BATCH, Problem};
use crate::ids::InvalidId;
use crate::limits::{ByteSize, MAX_CODE, MAX_TEST_CASES};
use warren_languages::Violation;

/// What is wrong with a request. Always the caller's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not JSON.
    #[error(
        "The body is not valid JSON ({reason}, line {line} column {column}). Send one JSON object."
    )]
    InvalidJson {
        /// What the parser stumbled over.
        reason: String,
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// The body is JSON of another shape: a missing field, a wrong type.
    #[error(
        "{}: {reason}. Send {{\"language\",\"code\"}} and optionally \"input\", \"testCases\", \"compare\", \"tolerance\", \"stopOnFailure\" and \"callbackUrl\".",
        at(path)
    )]
    InvalidField {
        /// Where in the body (`testCases[0].input`), empty for the body itself.
        path: String,
        /// What is wrong there.
        reason: String,
    },
    /// The body has a field that is not of the contract.
    #[error("Unknown field {field:?}. Remove it or correct its name; known are {}.", known.join(", "))]
    UnknownField {
        /// The field, with its path.
        field: String,
        /// The fields that are known at that place.
        known: Vec<String>,
    },
    /// The body is not sent as JSON.
    #[error(
        "The Content-Type must be application/json, not {given:?}. Send the body as JSON with that header."
    )]
    NotJson {
        /// What it was sent as.
        given: String,
    },
    /// The body is over its cap.
    #[error("The body is larger than {} bytes. Send less code, input or test cases.", limit.get())]
    BodyTooLarge {
        /// The most it may have.
        limit: ByteSize,
    },
    /// The body is no batch, or has too few or too many submissions.
    #[error(
        "The body is not a batch ({reason}). Send {{\"submissions\": [...]}} with 1 to {MAX_BATCH} of what POST /api/rooms/{{roomId}}/execute takes."
    )]
    InvalidBatch {
        /// What is wrong with it.
        reason: String,
    },
    /// The room id is not of its form.
    #[error("The room id is not valid: {0}. Correct it in the path.")]
    InvalidRoom(#[from] InvalidId),
    /// No such language.
    #[error("Unknown language {given:?}. Use one of: {}.", known.join(", "))]
    UnknownLanguage {
        /// What was asked for.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such way to compare.
    #[error("Unknown way to compare {given:?}. Use one of: {}.", known.join(", "))]
    UnknownCompare {
        /// What was asked for.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A tolerance out of its bounds.
    #[error("The tolerance {given} is not above 0 and below 1. Leave it out for 1e-6.")]
    InvalidTolerance {
        /// What was asked for.
        given: Number,
    },
    /// A tolerance where no numbers are compared.
    #[error(
        "A tolerance has no meaning with \"compare\": {compare:?}. Remove it, or compare as \"float\"."
    )]
    StrayTolerance {
        /// How the outputs are compared instead.
        compare: String,
    },
    /// An address that no result is posted to.
    #[error(
        "The result cannot be posted to the callbackUrl: {reason}. Correct it, or leave it out."
    )]
    InvalidCallbackUrl {
        /// Why, without the address, which may hold a secret.
        reason: String,
    },
    /// A callbackUrl where no results are posted.
    #[error("Results are not posted here. {instead}")]
    CallbacksOff {
        /// What to do.
        instead: &'static str,
    },
    /// There is nothing to run.
    #[error("The code is empty. Send the source of a program in \"code\".")]
    EmptyCode,
    /// The code is over its cap.
    #[error("The code has {bytes} bytes; at most {} are allowed. Shorten it.", MAX_CODE.get())]
    CodeTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The code has a NUL byte, which no interpreter takes.
    #[error("The code has a NUL character on line {line}. Remove it.")]
    NulInCode {
        /// Where, from 1.
        line: usize,
    },
    /// More test cases than are run.
    #[error(
        "There are {given} test cases; at most {MAX_TEST_CASES} are allowed. Split them over several requests."
    )]
    TooManyTestCases {
        /// How many there are.
        given: usize,
    },
    /// An input or an expected output is over its cap.
    #[error("{field} has {bytes} bytes; at most {limit} are allowed. Shorten it.")]
    FieldTooLarge {
        /// Which one.
        field: String,
        /// Its size.
        bytes: usize,
        /// The most it may have.
        limit: usize,
    },
    /// The code uses what is not allowed.
    #[error("{}", describe(violations))]
    ForbiddenCode {
        /// Every place, in order.
        violations: Vec<Violation>,
    },
}

impl Refusal {
    /// What happened, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson { .. } => "invalid_json",
            Self::InvalidField { .. } => "invalid_field",
            Self::UnknownField { .. } => "unknown_field",
            Self::NotJson { .. } => "unsupported_media_type",
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
            Self::NotJson { .. } => 415,
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
        "The code uses what is not allowed here. {}",
        places.join(" ")
    )
}
