//! The contract with callers, as JSON: requests, answers and refusals.
//!
//! The API and the worker's own HTTP server both speak it.

mod batch;
mod hint;
mod media_type;
mod request;
mod response;
mod validation;

pub use batch::BatchRequest;
pub use media_type::expect_json;
pub use request::{ExecuteRequest, TestCaseRequest};
pub use response::{ExecuteResponse, TestResult, TimingsMs};

pub use crate::problem::Problem;
pub use crate::refusal::Refusal;
