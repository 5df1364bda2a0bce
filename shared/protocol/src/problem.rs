//! An error as a caller sees it, from any of Warren's HTTP servers.

use std::time::Duration;

use serde_json::{Value, json};

/// An HTTP error answer: status, and `{"success":false,"error":{"code","message","details"}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The error code for programs: `snake_case`, never changes.
    pub code: &'static str,
    /// The explanation and the advice for people.
    pub message: String,
    /// Details, whose form depends on the code; `null` if there are none.
    pub details: Value,
    /// The time after which to retry: the `Retry-After` header, rounded up to whole seconds.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// Creates an error with neither details nor `Retry-After`.
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

    /// Adds details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    /// Returns the value of the `Retry-After` header: whole seconds, at least 1.
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

    /// Returns the JSON body.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({
            "success": false,
            "error": { "code": self.code, "message": self.message, "details": self.details },
        })
    }
}
