//! Cursor: a position in a room's history, for callers to send back.

use std::fmt;
use std::str::FromStr;

use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

/// A position at which a page of a room's history ended. Opaque to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) submitted_at: EpochMillis,
    pub(super) job_id: JobId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.submitted_at.get(), self.job_id)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (millis, job_id) = text.split_once('.')?;
            let cursor = Self {
                submitted_at: EpochMillis::from_millis(millis.parse().ok()?),
                job_id: job_id.parse().ok()?,
            };
            // Each position has one text, and no time is beyond what a database can hold.
            let fits = cursor.submitted_at.get() <= i64::MAX as u64;
            (fits && cursor.to_string() == text).then_some(cursor)
        };
        parse().ok_or(InvalidCursor)
    }
}

/// A text that is not a cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the nextCursor of an earlier answer, as it is")]
pub struct InvalidCursor;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_text_and_nothing_else_is_one() {
        let cursor = Cursor {
            submitted_at: EpochMillis::from_millis(1_795_451_315_932),
            job_id: JobId::new(),
        };
        let text = cursor.to_string();
        assert_eq!(text.parse(), Ok(cursor));
        let id = cursor.job_id;
        for bad in [
            String::new(),
            "%".into(),
            format!("{text}="),
            format!("0{text}"),
            text.to_uppercase(),
            format!("1{id}"),
            format!("-1.{id}"),
            format!("+1.{id}"),
            format!("18446744073709551615.{id}"),
            "1.".into(),
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor), "{bad}");
        }
    }
}
