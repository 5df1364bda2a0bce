//! Access control: authentication, rate limits, CORS origins, and their middleware.

pub(crate) mod auth;
pub(crate) mod caller;
pub(crate) mod cors;
pub(crate) mod middleware;
pub(crate) mod rate;
