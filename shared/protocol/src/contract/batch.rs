//! The body of a batch request: many submissions at once.

use serde::Deserialize;
use utoipa::ToSchema;

use super::request::{self, ExecuteRequest};
use crate::limits::MAX_BATCH;
use crate::refusal::Refusal;

/// The body of `POST /api/rooms/{roomId}/execute/batch`. It has the right shape; nothing else is
/// checked yet.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(description = "Many submissions.")]
pub struct BatchRequest {
    /// From 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub submissions: Vec<ExecuteRequest>,
}

impl BatchRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the wrong field (`submissions[3].code`).
    pub fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        let batch: Self = request::read(body).map_err(|refusal| match refusal {
            Refusal::InvalidField { path, reason } if !path.starts_with("submissions[") => {
                Refusal::InvalidBatch { reason }
            }
            other => other,
        })?;
        match batch.submissions.len() {
            1..=MAX_BATCH => Ok(batch),
            given => Err(Refusal::InvalidBatch {
                reason: format!("there are {given} submissions"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Refusal {
        match BatchRequest::from_json(body.as_bytes()) {
            Err(refusal) => refusal,
            Ok(_) => panic!("{body} was taken"),
        }
    }

    fn of(count: usize) -> String {
        let one = r#"{"language":"python","code":"1"}"#;
        format!(r#"{{"submissions":[{}]}}"#, vec![one; count].join(","))
    }

    #[test]
    fn a_batch_may_have_one_submission_and_the_most() {
        for count in [1, MAX_BATCH] {
            let batch = BatchRequest::from_json(of(count).as_bytes());
            assert!(batch.is_ok_and(|batch| batch.submissions.len() == count));
        }
    }

    #[test]
    fn each_fault_is_reported_with_its_place() {
        for body in [
            "[]",
            "{}",
            r#"{"submissions":3}"#,
            &of(0),
            &of(MAX_BATCH + 1),
        ] {
            assert_eq!(refused(body).code(), "invalid_batch", "{body}");
        }
        let inner = refused(r#"{"submissions":[{"language":"js","code":"1"},{"language":"js"}]}"#);
        assert!(
            matches!(&inner, Refusal::InvalidField { path, .. } if path == "submissions[1]"),
            "{inner:?}"
        );
        let unknown = refused(r#"{"submissions":[{"language":"js","code":"1","x":1}]}"#);
        assert!(
            matches!(&unknown, Refusal::UnknownField { field, .. } if field == "submissions[0].x"),
            "{unknown:?}"
        );
        assert_eq!(refused(r#"{"all":[]}"#).code(), "unknown_field");
    }
}
