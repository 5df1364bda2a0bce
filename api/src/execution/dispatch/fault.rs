//! Fault of a fallback: what went wrong, and for which jobs it will again.

use std::time::Duration;

use warren_outbound::ClientError;

use crate::execution::Acceptance;

/// A reason why a fallback has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    /// The kind of fault, for programs.
    pub(super) code: &'static str,
    /// A message for people: what happened and what to do.
    pub(super) message: String,
    /// Whether the job may have been run.
    pub(super) acceptance: Acceptance,
    /// Whether other jobs would fail alike.
    pub(super) blame: Blame,
}

/// The scope of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// Only this job, or only this moment.
    Job,
    /// The next job as well, so that the breaker opens.
    Backend {
        /// How long the other side asks not to be called, if it does.
        wish: Option<Duration>,
    },
}

impl Fault {
    /// Builds the fault of a job that was certainly not taken.
    pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            acceptance: Acceptance::CertainlyNot,
            blame: Blame::Job,
        }
    }

    /// Builds the fault of a job that may have been run.
    pub(super) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            acceptance: Acceptance::Perhaps,
            ..Self::refused(code, message)
        }
    }

    /// Returns the same fault as one that the next job would meet as well.
    pub(super) fn of_backend(self, wish: Option<Duration>) -> Self {
        Self {
            blame: Blame::Backend { wish },
            ..self
        }
    }

    /// Returns the same fault as one that came before the job was sent.
    pub(super) fn before_sending(self) -> Self {
        Self {
            acceptance: Acceptance::CertainlyNot,
            ..self
        }
    }

    /// Returns the same fault as one that came after the job was taken.
    pub(super) fn after_sending(self) -> Self {
        Self {
            acceptance: Acceptance::Perhaps,
            ..self
        }
    }

    /// Builds the fault of an exchange that broke off. Omits the library's message, which quotes
    /// the address.
    pub(super) fn broken(code: &'static str, who: &str, error: &ClientError) -> Self {
        let (acceptance, what) = match error {
            ClientError::Http(error) if error.is_connect() => {
                (Acceptance::CertainlyNot, "cannot be connected to")
            }
            ClientError::Http(error) if error.is_builder() => {
                (Acceptance::CertainlyNot, "cannot be sent such a request")
            }
            ClientError::Http(error) if error.is_timeout() => {
                (Acceptance::Perhaps, "did not answer in time")
            }
            ClientError::Http(_) => (Acceptance::Perhaps, "broke the connection off"),
            ClientError::TooLong(_) => (Acceptance::Perhaps, "answered with more than can be read"),
            ClientError::Tls(_) => (
                Acceptance::CertainlyNot,
                "cannot be asked, since TLS cannot be set up",
            ),
        };
        Self {
            code,
            message: format!("{who} {what}."),
            acceptance,
            blame: Blame::Backend { wish: None },
        }
    }
}
