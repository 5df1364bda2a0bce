//! Why a fallback has no answer.

use std::time::Duration;

use warren_outbound::ClientError;

use crate::execution::Acceptance;

/// Why a fallback has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    /// What kind, for programs.
    pub(super) code: &'static str,
    /// What happened and what to do, for people.
    pub(super) message: String,
    /// Whether the job may have been run.
    pub(super) acceptance: Acceptance,
    /// Whose fault it is.
    pub(super) blame: Blame,
}

/// For whom it will go wrong again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// For this job, or for this moment alone.
    Job,
    /// For the next job as well, so that the breaker opens.
    Backend {
        /// How long the other side wants to be left alone, if it said so.
        wish: Option<Duration>,
    },
}

impl Fault {
    /// The job was certainly not taken.
    pub(super) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            acceptance: Acceptance::CertainlyNot,
            blame: Blame::Job,
        }
    }

    /// The job may have been run.
    pub(super) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            acceptance: Acceptance::Perhaps,
            ..Self::refused(code, message)
        }
    }

    /// The same, but the next job would fare no better.
    pub(super) fn of_backend(self, wish: Option<Duration>) -> Self {
        Self {
            blame: Blame::Backend { wish },
            ..self
        }
    }

    /// The same, for something that came before the job was sent.
    pub(super) fn before_sending(self) -> Self {
        Self {
            acceptance: Acceptance::CertainlyNot,
            ..self
        }
    }

    /// The same, for something that came after the job was taken.
    pub(super) fn after_sending(self) -> Self {
        Self {
            acceptance: Acceptance::Perhaps,
            ..self
        }
    }

    /// An exchange that broke off. Without the library's words, which hold the address.
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
