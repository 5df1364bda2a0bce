//! Why a fallback has no answer.

use std::time::Duration;

use warren_outbound::ClientError;

/// Why a fallback has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    /// What kind, for programs.
    pub(super) code: &'static str,
    /// What happened and what to do, for people.
    pub(super) message: String,
    /// Whether the job may have been run.
    pub(super) taken: Taken,
    /// Whose fault it is.
    pub(super) blame: Blame,
}

/// Whether a way has taken a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Certainly not: another way may have it.
    No,
    /// It may have been run.
    Perhaps,
}

/// For whom it will go wrong again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// For this job, or for this moment alone.
    Job,
    /// For the next job as well, so that the breaker opens.
    Way {
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
            taken: Taken::No,
            blame: Blame::Job,
        }
    }

    /// The job may have been run.
    pub(super) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            taken: Taken::Perhaps,
            ..Self::refused(code, message)
        }
    }

    /// The same, but the next job would fare no better.
    pub(super) fn of_way(self, wish: Option<Duration>) -> Self {
        Self {
            blame: Blame::Way { wish },
            ..self
        }
    }

    /// The same, for something that came before the job was sent.
    pub(super) fn before_sending(self) -> Self {
        Self {
            taken: Taken::No,
            ..self
        }
    }

    /// The same, for something that came after the job was taken.
    pub(super) fn after_sending(self) -> Self {
        Self {
            taken: Taken::Perhaps,
            ..self
        }
    }

    /// An exchange that broke off. Without the library's words, which hold the address.
    pub(super) fn broken(code: &'static str, who: &str, error: &ClientError) -> Self {
        let (taken, what) = match error {
            ClientError::Http(error) if error.is_connect() => (Taken::No, "cannot be connected to"),
            ClientError::Http(error) if error.is_builder() => {
                (Taken::No, "cannot be sent such a request")
            }
            ClientError::Http(error) if error.is_timeout() => {
                (Taken::Perhaps, "did not answer in time")
            }
            ClientError::Http(_) => (Taken::Perhaps, "broke the connection off"),
            ClientError::TooLong(_) => (Taken::Perhaps, "answered with more than can be read"),
            ClientError::Tls(_) => (Taken::No, "cannot be asked, since TLS cannot be set up"),
        };
        Self {
            code,
            message: format!("{who} {what}."),
            taken,
            blame: Blame::Way { wish: None },
        }
    }
}
