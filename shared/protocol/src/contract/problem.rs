//! An error as a caller sees it, on whichever of our HTTP servers.

use std::time::Duration;

use serde_json::{Value, json};

/// An HTTP error answer: status, and `{"success":false,"error":{"code","message","details"}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What happened, for programs: `snake_case`, never changes.
    pub code: &'static str,
    /// What happened and what to do, for people.
    pub message: String,
    /// Particulars, by code; `null` if there are none.
    pub details: Value,
    /// When to try again: the `Retry-After` header, rounded up to whole seconds.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// An error with neither details nor `Retry-After`.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Value::Null,
            retry_after: None,
        }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The same with `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    /// The value of the `Retry-After` header: whole seconds, at least 1.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|span| {
            span.as_millis()
                .div_ceil(1000)
                .max(1)
                .try_into()
                .unwrap_or(u64::MAX)
        })
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({
            "success": false,
            "error": { "code": self.code, "message": self.message, "details": self.details },
        })
    }
}
