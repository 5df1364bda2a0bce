//! The HTTP side that API and worker share, so that both keep the contract alike.
//!
//! A server bounded in connections and time, bodies within their caps, errors in the contract's
//! shape, and the caller's time budget.

mod answers;
mod api_error;
pub mod body;
mod budget;
mod default_responses;
mod foreign;
mod pace;
mod peer;
mod places;
mod probes;
mod server;

pub use answers::{Answers, Around, LONGEST_WAIT, Read, Turn, json_answer};
pub use api_error::{ApiError, ErrorCode};
pub use budget::{ANSWER_RESERVE, BODY_TIME, Budget, MAX_WAIT, MIN_WAIT, REPLY_RESERVE};
pub use default_responses::with_default_responses;
pub use foreign::{ForeignPages, HostNames, Hosts, refuse_foreign_pages};
pub use peer::Peer;
pub use places::ConnectionCounts;
pub use probes::{alive, readiness};
pub use server::{Bounds, DRAIN_GRACE, Drained, Proxies, serve};
