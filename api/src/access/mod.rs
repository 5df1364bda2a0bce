//! Access to the API: authentication, rate limits, browser origins, and the middleware that applies them.

pub(crate) mod auth;
pub(crate) mod caller;
pub(crate) mod cors;
pub(crate) mod middleware;
pub(crate) mod rate;
