//! Executions as documents of the collection `executions`.

use mongodb::bson::DateTime;
use serde::{Deserialize, Serialize};
use warren_protocol::contract::ExecuteResponse;
use warren_protocol::ids::JobId;
use warren_protocol::reply::JobFailure;
use warren_protocol::time::EpochMillis;

use super::super::{End, Execution, JobOrigin};

/// A document of the collection without its `_id`, which is the job's id.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submitted_at: Option<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<DateTime>,
    recorded_at: DateTime,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ExecuteResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<JobFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl From<&Execution> for Fields {
    fn from(execution: &Execution) -> Self {
        let origin = execution.origin.as_ref();
        let (result, failure) = match &execution.end {
            End::Pending => (None, None),
            End::Ran(response) => (Some(response.as_ref().clone()), None),
            End::Failed(failure) => (None, Some(failure.clone())),
        };
        Self {
            room: origin.map(|o| o.room.to_string()),
            language: origin.map(|o| o.language.to_string()),
            code_sha256: origin.map(|o| o.code.as_str().to_owned()),
            submitted_at: origin.map(|o| to_bson(o.submitted_at)),
            due_at: origin.and_then(|o| o.due_at).map(to_bson),
            recorded_at: to_bson(execution.recorded_at),
            status: execution.end.status().to_owned(),
            result,
            failure,
            code: origin.and_then(|o| o.source.clone()),
        }
    }
}

impl Fields {
    pub(super) fn into_execution(
        self,
        job_id: JobId,
    ) -> Result<Execution, Box<dyn std::error::Error + Send + Sync>> {
        let end = match (self.result, self.failure) {
            (Some(response), _) => End::Ran(Box::new(response)),
            (None, Some(failure)) => End::Failed(failure),
            (None, None) => End::Pending,
        };
        let origin = JobOrigin::from_parts(
            self.room,
            self.language,
            self.submitted_at.map(from_bson),
            self.due_at.map(from_bson),
            self.code_sha256,
        )?;
        let source = self.code;
        Ok(Execution {
            job_id,
            origin: origin.map(|origin| JobOrigin { source, ..origin }),
            end,
            recorded_at: from_bson(self.recorded_at),
            callback: None,
        })
    }
}

pub(super) fn to_bson(time: EpochMillis) -> DateTime {
    DateTime::from_millis(time.get().try_into().unwrap_or(i64::MAX))
}

pub(super) fn from_bson(time: DateTime) -> EpochMillis {
    EpochMillis::from_millis(time.timestamp_millis().try_into().unwrap_or(0))
}
