//! Rooms that a caller may use.

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde_json::Value;
use warren_protocol::ids::RoomId;

use crate::store::Execution;

/// The rooms that a caller may use. Stored in the request's extensions beside the
/// [`Caller`](crate::access::caller::Caller). A handler that finds a room other than by its path
/// must check it here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rooms {
    /// Every room.
    #[default]
    All,
    /// The rooms that match one of these patterns.
    Only(Arc<[RoomPattern]>),
}

impl Rooms {
    /// Returns the rooms that a claim names: a list of patterns, or words separated by spaces. What
    /// is neither names no room, and what is no pattern fits none.
    pub(super) fn named_by(claim: Option<&Value>) -> Self {
        let words: Vec<&str> = match claim {
            Some(Value::Array(entries)) => entries.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => text.split_whitespace().collect(),
            _ => Vec::new(),
        };
        Self::Only(words.iter().filter_map(|word| word.parse().ok()).collect())
    }

    /// Returns whether this room is among them.
    pub(crate) fn cover(&self, room: &RoomId) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| pattern.fits(room)),
        }
    }

    /// Returns whether this execution's room is among them. An execution without a known room is in
    /// none.
    pub(crate) fn cover_that_of(&self, execution: &Execution) -> bool {
        match &execution.origin {
            Some(origin) => self.cover(&origin.room),
            None => *self == Self::All,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Rooms {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// A room's name, in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomPattern(String);

impl RoomPattern {
    fn fits(&self, room: &RoomId) -> bool {
        let mut pieces = self.0.split('*');
        // The name begins with the part before the first `*`; without a `*` it is the whole name.
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = room.as_str().strip_prefix(first) else {
            return false;
        };
        let Some(last) = pieces.next_back() else {
            return rest.is_empty();
        };
        for piece in pieces {
            // The earliest match, so that most is left for the other pieces.
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl FromStr for RoomPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:*".contains(c);
        if !text.is_empty() && text.len() <= RoomId::MAX_LEN && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPattern)
        }
    }
}

/// A text that is not a pattern.
#[derive(Debug, thiserror::Error)]
#[error(
    "a room is named by 1 to 128 letters, digits, '-', '_', '.', ':', and '*' for any of them, like course-*"
)]
pub(crate) struct InvalidPattern;

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, room: &str) -> bool {
        let pattern: RoomPattern = pattern.parse().unwrap();
        pattern.fits(&room.parse().unwrap())
    }

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        for (pattern, room) in [
            ("a", "a"),
            ("*", "a"),
            ("course-*", "course-1"),
            ("course-*", "course-"),
            ("*-exam", "x-exam"),
            ("c*-x-*z", "c1-x-2z"),
            ("c*-x-*z", "c-x--x-z"),
            ("**", "ab"),
            ("a*a", "aa"),
        ] {
            assert!(fits(pattern, room), "{pattern} {room}");
        }
        for (pattern, room) in [
            ("a", "ab"),
            ("a", "A"),
            ("a*a", "a"),
            ("course-*", "course"),
            ("course-*", "my-course-1"),
            ("*-exam", "x-exam-2"),
            ("a.c", "abc"),
            ("c*-x-*z", "c1-y-2z"),
        ] {
            assert!(!fits(pattern, room), "{pattern} {room}");
        }
    }

    #[test]
    fn a_claim_names_rooms_in_a_list_or_in_words_and_anything_else_names_none() {
        use serde_json::json;
        let covers =
            |claim: &Value, room: &str| Rooms::named_by(Some(claim)).cover(&room.parse().unwrap());
        for claim in [
            json!(["a", "course-*", 7, "b c"]),
            json!("a  course-*\nd/e"),
        ] {
            for good in ["a", "course-1"] {
                assert!(covers(&claim, good), "{claim} {good}");
            }
            for bad in ["b", "c", "d", "7", "ab", "my-course-1"] {
                assert!(!covers(&claim, bad), "{claim} {bad}");
            }
        }
        for none in [
            json!(null),
            json!(true),
            json!({"a": 1}),
            json!(""),
            json!([]),
        ] {
            assert!(!covers(&none, "a"), "{none}");
        }
        assert!(!Rooms::named_by(None).cover(&"a".parse().unwrap()));
    }

    #[test]
    fn patterns_have_the_characters_of_rooms() {
        for bad in ["", "a b", "a/b", "[a]", "ä", &"a".repeat(129)] {
            assert!(bad.parse::<RoomPattern>().is_err(), "{bad:?}");
        }
    }
}
