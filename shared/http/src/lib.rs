//! What API and worker have in common as HTTP servers, so that both keep the contract alike: a
//! server bounded in connections and time, bodies within their caps, errors in the contract's
//! shape, and the caller's time. And what all requests of Warren's own have in common.

mod api_error;
pub mod body;
mod budget;
pub mod client;
mod fallback;
mod probes;
mod server;

pub use api_error::{ApiError, ErrorCode};
pub use budget::{ANSWER_RESERVE, BODY_TIME, Budget, MAX_WAIT, MIN_WAIT, REPLY_RESERVE};
pub use fallback::with_fallbacks;
pub use probes::{alive, readiness};
pub use server::{Bounds, DRAIN_GRACE, Drained, serve};
