//! File of API keys: TOML, one `[[key]]` for each.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use subtle::ConditionallySelectable;

use super::api_key::{ApiKey, KeyHash};
use super::rooms::{RoomPattern, Rooms};
use crate::access::caller::KeyName;
use crate::access::rate::Limit;

/// The longest file, enough for some thousands of keys.
const MAX_FILE: u64 = 1 << 20;
/// The most keys. Every request is compared with each of them.
const MAX_KEYS: usize = 2_000;

/// All valid keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys(Vec<Key>);

/// A key's entry in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: KeyName,
    hash: KeyHash,
    pub(crate) rooms: Rooms,
    /// The key's own limit, instead of the general one.
    pub(crate) limit: Option<Limit>,
    pub(crate) role: Role,
}

/// The role of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It runs code.
    Ordinary,
    /// It may also use what is reserved for operators.
    Operator,
}

impl Keys {
    /// Reads the keys from a file.
    pub(crate) fn read(path: &Path) -> Result<Self, KeysFault> {
        let file = std::fs::File::open(path)?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_FILE + 1), &mut text)?;
        Self::parse(&text)
    }

    /// Parses the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, KeysFault> {
        if text.len() as u64 > MAX_FILE {
            return Err(KeysFault::TooMuch);
        }
        // Not the parser's whole message: it quotes the file, which may hold a key by mistake.
        let file: File = toml::from_str(text).map_err(|error| KeysFault::Toml {
            line: error.span().map_or(1, |span| {
                text.as_bytes()
                    .iter()
                    .take(span.start)
                    .filter(|byte| **byte == b'\n')
                    .count()
                    + 1
            }),
            what: without_values(error.message()),
        })?;
        if file.key.len() > MAX_KEYS {
            return Err(KeysFault::TooMuch);
        }
        let mut names = HashSet::new();
        let mut keys = Vec::with_capacity(file.key.len());
        for (stanza, number) in file.key.into_iter().zip(1..) {
            let key = stanza
                .checked()
                .map_err(|what| KeysFault::Stanza { number, what })?;
            if !names.insert(key.name.clone()) {
                let what = "another key has its name".to_owned();
                return Err(KeysFault::Stanza { number, what });
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// Returns how many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the entry of `key`. Takes a time that depends only on the number of keys.
    pub(crate) fn find(&self, key: &ApiKey) -> Option<&Key> {
        let hash = key.hash();
        let mut found = 0_u32;
        for (known, place) in self.0.iter().zip(1_u32..) {
            found.conditional_assign(&place, known.hash.is(&hash));
        }
        self.0.get(usize::try_from(found).ok()?.checked_sub(1)?)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Stanza>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stanza {
    name: String,
    sha256: String,
    rooms: Option<Vec<String>>,
    requests_per_minute: Option<NonZeroU32>,
    burst: Option<NonZeroU32>,
    #[serde(default)]
    operator: bool,
}

impl Stanza {
    fn checked(self) -> Result<Key, String> {
        let rooms = match self.rooms {
            None => Rooms::All,
            Some(rooms) => {
                let rooms = rooms.iter().map(|room| room.parse::<RoomPattern>());
                let rooms: Result<Vec<_>, _> = rooms.collect();
                Rooms::Only(Arc::from(rooms.map_err(|error| error.to_string())?))
            }
        };
        let limit = match (self.requests_per_minute, self.burst) {
            (None, None) => None,
            (None, Some(_)) => return Err("burst needs requests_per_minute".to_owned()),
            (Some(per_minute), burst) => {
                Some(Limit::new(per_minute, burst).map_err(|error| error.to_string())?)
            }
        };
        Ok(Key {
            name: self.name.parse().map_err(|error| format!("{error}"))?,
            hash: self.sha256.parse().map_err(|error| format!("{error}"))?,
            rooms,
            limit,
            role: if self.operator {
                Role::Operator
            } else {
                Role::Ordinary
            },
        })
    }
}

/// Replaces the values in a message of serde, which quotes them (`invalid type: string "wk_…"`).
fn without_values(message: &str) -> String {
    let pieces = message.split('"').step_by(2);
    pieces.collect::<Vec<_>>().join("\"…\"")
}

/// The reason why no keys could be read. Quotes nothing of the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysFault {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("it has more than {MAX_KEYS} keys or {MAX_FILE} bytes")]
    TooMuch,
    #[error("line {line}: {what}")]
    Toml { line: usize, what: String },
    #[error("key number {number}: {what}")]
    Stanza { number: usize, what: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Keys::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_found_by_what_it_is() {
        let (one, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        let text = format!(
            "[[key]]\nname = \"one\"\nsha256 = \"{}\"\n\n[[key]]\nname = \"other\"\nsha256 = \"{}\"\n\
             rooms = [\"course-*\"]\nrequests_per_minute = 60\nburst = 5\noperator = true\n",
            one.hash(),
            other.hash()
        );
        let keys = Keys::parse(&text).unwrap();
        let found = keys.find(&one).unwrap();
        assert_eq!(found.name.to_string(), "one");
        assert_eq!((&found.rooms, &found.limit), (&Rooms::All, &None));
        assert_eq!(found.role, Role::Ordinary);
        let found = keys.find(&other).unwrap();
        assert_eq!(found.name.to_string(), "other");
        assert!(found.rooms.cover(&"course-1".parse().unwrap()));
        assert!(!found.rooms.cover(&"demo".parse().unwrap()));
        assert_eq!(found.role, Role::Operator);
        assert_eq!(keys.find(&ApiKey::generate().unwrap()), None);
        assert_eq!(Keys::default().find(&one), None);
    }

    #[test]
    fn faults_say_where_and_quote_no_key() {
        let key = ApiKey::generate().unwrap();
        let (shown, hash) = (key.reveal(), key.hash());
        let stanza = format!("[[key]]\nname = \"a\"\nsha256 = \"{hash}\"\n");
        for (text, says) in [
            (
                format!("[[key]]\nname = \"a\"\nsha256 = \"{shown}\"\n"),
                "number 1: sha256",
            ),
            (
                format!("[[key]]\nname = \"a\"\nsha256 = \"{shown}\n"),
                "line 3",
            ),
            (format!("{stanza}burst = \"{shown}\"\n"), "line 4"),
            (
                format!("{stanza}{stanza}"),
                "number 2: another key has its name",
            ),
            (format!("{stanza}burst = 5\n"), "requests_per_minute"),
            (format!("{stanza}rooms = [\"a/b\"]\n"), "like course-*"),
            (format!("{stanza}requests_per_minute = 0\n"), "line 4"),
            (format!("{stanza}requests_per_minut = 1\n"), "line 4"),
            ("[[key]]\nname = \"a b\"\n".to_owned(), "sha256"),
        ] {
            let fault = fault(&text);
            assert!(fault.contains(says), "{fault}");
            assert!(!fault.contains(shown), "{fault}");
        }
    }
}
