//! Views of a recorded execution: the JSON that callers and webhooks receive.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use warren_http::{Read, Turn};
use warren_languages::LanguageName;
use warren_protocol::contract::ExecuteResponse;
use warren_protocol::ids::{JobId, RoomId};
use warren_protocol::time::EpochMillis;

use crate::store::{CodeHash, End, Execution, ExecutionStatus};

/// One execution as a caller reads it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionResponse {
    /// Whether it ran, exited with status 0, and passed every test case.
    success: bool,
    job_id: JobId,
    /// The verdict; or `pending`, `failed`, `lost`.
    #[schema(value_type = String, examples("completed"))]
    status: &'static str,
    /// How far it is, whatever comes of it.
    state: Stage,
    #[schema(required)]
    room_id: Option<RoomId>,
    #[schema(required)]
    language: Option<LanguageName>,
    /// Milliseconds since the epoch, as are all times.
    #[schema(required)]
    submitted_at: Option<EpochMillis>,
    recorded_at: EpochMillis,
    /// The SHA-256 of its code, in hexadecimal.
    #[schema(required, value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    code_sha256: Option<CodeHash>,
    /// The code itself, if this service keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What `POST …/execute` answers, if it ran.
    #[schema(required)]
    result: Option<ExecuteResponse>,
    /// Why there is no result.
    #[schema(required, value_type = Option<ErrorSummary>)]
    error: Option<Value>,
}

/// Why an execution has no result.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: the bodies are made as JSON")]
struct ErrorSummary {
    /// What happened, for programs.
    code: String,
    /// What happened and what to do, for people.
    message: String,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It waits for a worker.
    Queued,
    /// A worker has begun it.
    Running,
    /// There is a result, or there will be none.
    Finished,
}

impl Stage {
    /// Returns the word that callers read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

/// A recorded execution, and whether a worker is known to run it.
pub(crate) struct Seen {
    pub(crate) execution: Execution,
    runs: bool,
    /// The turn in which it was read, for as long as it may be large: until it has ended there are no
    /// outputs.
    turn: Option<Turn>,
}

impl Seen {
    pub(super) fn new(execution: Execution, runs: bool, turn: Turn) -> Self {
        let turn = execution.is_settled().then_some(turn);
        Self {
            execution,
            runs,
            turn,
        }
    }

    /// Returns what a caller reads of it.
    pub(crate) fn read(self) -> Read<ExecutionResponse> {
        let state = self.stage();
        Read {
            value: ExecutionResponse {
                state,
                ..self.execution.into()
            },
            turn: self.turn,
        }
    }

    /// Returns what the caller of its job reads, if it ran.
    pub(crate) fn result(self) -> Read<Option<Box<ExecuteResponse>>> {
        Read {
            value: match self.execution.end {
                End::Ran(result) => Some(result),
                End::Failed(_) | End::Pending => None,
            },
            turn: self.turn,
        }
    }

    /// Returns how far it is.
    pub(crate) fn stage(&self) -> Stage {
        if self.has_ended() {
            Stage::Finished
        } else if self.runs {
            Stage::Running
        } else {
            Stage::Queued
        }
    }

    /// Returns whether it will not change any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.execution.status() != ExecutionStatus::Pending
    }
}

impl From<Seen> for ExecutionResponse {
    fn from(seen: Seen) -> Self {
        seen.read().value
    }
}

impl From<Execution> for ExecutionResponse {
    fn from(execution: Execution) -> Self {
        let status = execution.status();
        let base = Self {
            success: false,
            state: match status {
                ExecutionStatus::Pending => Stage::Queued,
                _ => Stage::Finished,
            },
            job_id: execution.job_id,
            status: status.as_str(),
            room_id: None,
            language: None,
            submitted_at: None,
            recorded_at: execution.recorded_at,
            code_sha256: None,
            code: None,
            result: None,
            error: None,
        };
        let base = match execution.origin {
            None => base,
            Some(origin) => Self {
                room_id: Some(origin.room),
                language: Some(origin.language),
                submitted_at: Some(origin.submitted_at),
                code_sha256: Some(origin.code),
                code: origin.source,
                ..base
            },
        };
        match execution.end {
            End::Ran(response) => Self {
                success: response.success,
                result: Some(*response),
                ..base
            },
            End::Failed(failure) => Self {
                error: Some(json!({ "code": failure.code, "message": failure.message })),
                ..base
            },
            End::Pending if status == ExecutionStatus::Pending => base,
            End::Pending => Self {
                error: Some(json!({
                    "code": "lost",
                    "message": "No result came: the job expired before a worker took it, or its worker was lost. Send the request again.",
                })),
                ..base
            },
        }
    }
}
