//! A caller of one room, with an API key or without.

use crate::harness::http::{Answer, program};
use crate::harness::{load, warren::Warren};

/// A caller of one room.
pub struct Caller {
    address: String,
    path: String,
    key: Option<String>,
}

impl Caller {
    /// Creates a caller of that room, without a key.
    pub fn of(api: &Warren, room: &str) -> Self {
        let url = api.api.as_ref().expect("an API");
        let address = url.strip_prefix("http://").expect("an address");
        Self {
            address: address.to_owned(),
            path: format!("/api/rooms/{room}/execute"),
            key: None,
        }
    }

    /// Has it present an API key.
    pub fn with_key(self, key: &str) -> Self {
        let key = Some(key.to_owned());
        Self { key, ..self }
    }

    /// Sends a trivial job.
    pub async fn ask(&self) -> Answer {
        let hello = program("python", "print('hello')").to_string();
        let answer = load::post(&self.address, &self.path, self.key.as_deref(), &hello).await;
        answer.expect("an answer")
    }
}
