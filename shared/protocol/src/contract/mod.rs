//! The contract with callers, as JSON: what they send, what they are answered, how they are
//! refused. Spoken by the API and by the worker's own HTTP alike.

mod batch;
mod media_type;
mod problem;
mod refusal;
mod request;
mod response;

pub use batch::{BatchRequest, MAX_BATCH};
pub use media_type::expect_json;
pub use problem::Problem;
pub use refusal::Refusal;
pub use request::{ExecuteRequest, TestCaseRequest};
pub use response::{ExecuteResponse, TestResult, TimingsMs};
