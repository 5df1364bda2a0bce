//! Identifiers of jobs, of rooms and of Warren's own processes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A job's identity: a UUIDv7, so that ids sort by the time of submission.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
#[schema(value_type = String, format = "uuid", examples("01a2093c-e6d7-7648-82fb-e7d282b7c47a"))]
pub struct JobId(Uuid);

impl JobId {
    /// Creates an id that is unique and sorts behind every earlier one of this process.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "every call returns another id")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => Ok(Self(id)),
            _ => Err(InvalidId {
                what: "job id",
                rule: "a UUID in its hyphenated form",
            }),
        }
    }
}

/// A caller's tag: the hash by which its work is told from that of others, in the API's memory and
/// in messages. Which caller it is cannot be read from it. As JSON, 32 hexadecimal digits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct CallerTag(u128);

impl CallerTag {
    /// Creates the tag of a caller from the first 16 bytes of a hash of its name. 128 bits, so that
    /// nobody finds a name with the tag of another caller.
    #[must_use]
    pub const fn new(hash: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(hash))
    }
}

impl TryFrom<String> for CallerTag {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = u128::from_str_radix(&text, 16);
        match number {
            Ok(number) if text.len() == 32 && !text.starts_with('+') => Ok(Self(number)),
            Ok(_) | Err(_) => Err(InvalidId {
                what: "caller's tag",
                rule: "32 hexadecimal digits",
            }),
        }
    }
}

impl From<CallerTag> for String {
    fn from(tag: CallerTag) -> Self {
        format!("{:032x}", tag.0)
    }
}

/// The room a submission belongs to: 1 to 128 letters, digits, `-`, `_`, `.` or `:`, starting
/// with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", examples("demo"))]
pub struct RoomId(String);

impl RoomId {
    /// The longest room id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Returns the room of jobs that go straight to a worker, whose contract knows no rooms.
    #[must_use]
    pub fn direct() -> Self {
        Self("direct".to_owned())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = text.len() <= Self::MAX_LEN
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId {
                what: "room id",
                rule: "1 to 128 letters, digits, '-', '_', '.' or ':', starting with a letter or digit",
            })
        }
    }
}

impl TryFrom<String> for RoomId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RoomId> for String {
    fn from(room: RoomId) -> Self {
        room.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity of one Warren process. It labels containers, names reply queues, and is the `worker`
/// of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(examples("worker-61bb391f6225"))]
pub struct InstanceId(String);

impl InstanceId {
    /// Creates an identity from the role (`api`, `worker`) and a random part.
    #[must_use]
    pub fn new(role: &str) -> Self {
        // The tail of a UUIDv7 is random. Its head is a time, which processes that start together
        // would share.
        let id = Uuid::now_v7().simple().to_string();
        Self(format!("{role}-{}", &id[id.len() - 12..]))
    }

    /// Creates the identity of a host that is not Warren's own.
    #[must_use]
    pub fn of_host(host: &str) -> Self {
        Self(host.to_owned())
    }

    /// Returns the identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An identifier that has the wrong form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} must be {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ids_are_names_not_paths() {
        for good in ["a", "room-1", "R2.d2", "x:y_z", &"r".repeat(128)] {
            assert!(good.parse::<RoomId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            ".",
            "..",
            "a b",
            "a/b",
            "ä",
            "a\n",
            &"r".repeat(129),
        ] {
            assert!(bad.parse::<RoomId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_survive_json() {
        let tag = CallerTag::new([0x0a; 16]);
        let json = serde_json::to_string(&tag).unwrap();
        assert_eq!(json, format!("\"{}\"", "0a".repeat(16)));
        assert_eq!(serde_json::from_str::<CallerTag>(&json).unwrap(), tag);
        for bad in [
            "",
            "0a",
            "+0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0",
            &"0g".repeat(16),
        ] {
            assert!(CallerTag::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn job_ids_survive_text_and_sort_by_age() {
        let (first, second) = (JobId::new(), JobId::new());
        assert!(first < second);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert!("not-a-uuid".parse::<JobId>().is_err());
    }

    #[test]
    fn instances_of_one_role_differ() {
        assert_ne!(InstanceId::new("worker"), InstanceId::new("worker"));
    }
}
