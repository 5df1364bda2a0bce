//! Body of a callback: the execution as `GET /api/executions/{id}` shows it.

use mongodb::bson::DateTime;
use serde::Serialize;
use serde_json::Value;
use warren_protocol::limits::ByteSize;

use crate::history::view::ExecutionResponse;
use crate::store::Execution;

/// The largest body. A larger one leaves the result out, because it can be read from the API.
const MAX_PAYLOAD: ByteSize = ByteSize::mib(1);

#[derive(Serialize)]
struct Event {
    r#type: &'static str,
    timestamp: String,
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(flatten)]
    execution: Value,
    /// Where the same execution can be read.
    result_url: String,
    /// Whether the result is too large to be posted.
    result_left_out: bool,
}

/// Returns the body of the callback for an execution.
pub(super) fn body(execution: Execution) -> serde_json::Result<Vec<u8>> {
    let at = i64::try_from(execution.recorded_at.get()).unwrap_or(i64::MAX);
    // The format ends with the year 9999.
    let timestamp = DateTime::from_millis(at).try_to_rfc3339_string();
    let result_url = format!("/api/executions/{}", execution.job_id);
    let mut event = Event {
        r#type: "execution.finished",
        timestamp: timestamp.unwrap_or_default(),
        data: Data {
            execution: serde_json::to_value(ExecutionResponse::from(execution))?,
            result_url,
            result_left_out: false,
        },
    };
    let body = serde_json::to_vec(&event)?;
    if body.len() <= MAX_PAYLOAD.as_len() {
        return Ok(body);
    }
    drop(body);
    if let Some(result) = event.data.execution.get_mut("result") {
        *result = Value::Null;
    }
    event.data.result_left_out = true;
    serde_json::to_vec(&event)
}
