//! Warren's REST API.
