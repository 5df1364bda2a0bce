//! Large answers, bounded in bytes while they are made and until they are sent.
//!
//! A caller of a hundred bytes can have megabytes made, and takes them as slowly as it likes. Two bounds
//! hold what that costs. So many records are read at a time; this lasts for moments, and no peer can
//! prolong it. And so many bytes wait to be sent, of which one
//! peer may hold a quarter. Small answers are bounded by the number of connections alone, so that they
//! are given whatever large ones do.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use warren_protocol::contract::Problem;
use warren_protocol::limits::ByteSize;

use crate::peer::Peer;

/// Answers up to here need no place. The kernel takes most of them at once, and 2,048 connections of them
/// are 128 MiB.
const SMALL: ByteSize = ByteSize::kib(64);
/// The records that are read at a time. At most 4 MiB are recorded of one, and it is there twice: as it
/// comes from the database and decoded, later decoded and as JSON.
const READERS: usize = 4;
/// The bytes of large answers that are sent at a time: six of the largest. With [`READERS`] of them,
/// less than 64 MiB.
const SENDING: ByteSize = ByteSize::mib(24);
/// The part of [`SENDING`] that one peer may have: one in so many. More than one of the largest.
const PEERS_AT_LEAST: u64 = 4;
/// The longest that an answer waits for its turn to be read, or for its place. Answers in line leave
/// within that time, unless their peers are slow.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// `Retry-After`: by then, peers that take nothing are cut.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The bounds on large answers of one server. Cheap to clone.
#[derive(Clone)]
pub struct Answers(Arc<Semaphores>);

struct Semaphores {
    reading: Arc<Semaphore>,
    sending: Arc<Semaphore>,
    peers: Mutex<HashMap<Peer, Weak<Semaphore>>>,
}

/// A turn to read one record, held until the record is dropped or serialised.
pub struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// A value that was read, with the turn in which it was.
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// The turn; `None` if the value is small.
    pub turn: Option<Turn>,
}

/// The text around an answer's JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// What comes before it.
    pub before: &'a str,
    /// What comes after it.
    pub after: &'a str,
}

/// A place for the bytes of one answer.
struct AnswerPlace {
    bytes: usize,
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// The bytes of an answer with their place. Both go when the last of them is sent.
struct Placed {
    bytes: Vec<u8>,
    _place: Option<AnswerPlace>,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphores {
            reading: Arc::new(Semaphore::new(READERS)),
            sending: Arc::new(Semaphore::new(SENDING.as_len())),
            peers: Mutex::default(),
        }))
    }
}

impl Answers {
    /// Waits for a turn to read a record that may be large.
    ///
    /// # Errors
    /// 503: there was none in time.
    pub async fn turn(&self) -> Result<Turn, Problem> {
        let by = Instant::now() + LONGEST_WAIT;
        let turn = timeout_at(by, Arc::clone(&self.0.reading).acquire_owned());
        let turn = turn.await.map_err(|_elapsed| full())?;
        turn.map(Turn).map_err(|_closed| full())
    }

    /// Makes the bytes of an answer from a value that was read. If there is no place for it now, the
    /// value is dropped, and read `again` once there is: readers do not wait for slow peers.
    ///
    /// # Errors
    /// 503: there was no place in time. Or the error of reading again.
    pub async fn of_record<T: Serialize, F>(
        &self,
        peer: Peer,
        around: Around<'_>,
        first: Read<T>,
        again: impl Fn() -> F,
    ) -> Result<Bytes, Problem>
    where
        F: Future<Output = Result<Read<T>, Problem>>,
    {
        let by = Instant::now() + LONGEST_WAIT;
        let (mut read, mut place) = (first, None);
        loop {
            let len = len_of(&read.value, around);
            if len <= SMALL.as_len() {
                return written(&read.value, len, around, None);
            }
            let enough = place
                .take()
                .filter(|place: &AnswerPlace| place.bytes >= len);
            if let Some(place) = enough.or_else(|| self.try_place(peer, len)) {
                return written(&read.value, len, around, Some(place));
            }
            drop(read);
            place = Some(self.place(peer, len, by).await?);
            read = again().await?;
        }
    }

    /// Makes the bytes of an answer from a value that is there in any case, once there is a place for
    /// it, by `by` at the latest.
    ///
    /// # Errors
    /// 503: there was no place in time.
    pub async fn of<T: Serialize>(
        &self,
        peer: Peer,
        value: &T,
        by: Instant,
    ) -> Result<Bytes, Problem> {
        let around = Around::default();
        let len = len_of(value, around);
        let place = match len > SMALL.as_len() {
            true => Some(self.place(peer, len, by).await?),
            false => None,
        };
        written(value, len, around, place)
    }

    /// Returns how many bytes of large answers are being sent.
    #[must_use]
    pub fn sending(&self) -> usize {
        SENDING.as_len() - self.0.sending.available_permits()
    }

    fn try_place(&self, peer: Peer, bytes: usize) -> Option<AnswerPlace> {
        let count = permits(bytes);
        let own = self.share_of(peer).try_acquire_many_owned(count).ok()?;
        let all = Arc::clone(&self.0.sending).try_acquire_many_owned(count);
        Some(AnswerPlace {
            bytes,
            _own: own,
            _all: all.ok()?,
        })
    }

    async fn place(&self, peer: Peer, bytes: usize, by: Instant) -> Result<AnswerPlace, Problem> {
        let count = permits(bytes);
        // The peer's own first: it must not hold up others while it waits for itself.
        let own = timeout_at(by, self.share_of(peer).acquire_many_owned(count)).await;
        let own = own.map_err(|_elapsed| full())?.map_err(|_closed| full())?;
        let all = Arc::clone(&self.0.sending).acquire_many_owned(count);
        let all = timeout_at(by, all).await;
        let all = all.map_err(|_elapsed| full())?.map_err(|_closed| full())?;
        Ok(AnswerPlace {
            bytes,
            _own: own,
            _all: all,
        })
    }

    /// Returns the share of a peer, which lasts for as long as any of it is held.
    fn share_of(&self, peer: Peer) -> Arc<Semaphore> {
        let peers = self.0.peers.lock();
        let mut peers = peers.unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = peers.get(&peer).and_then(Weak::upgrade) {
            return share;
        }
        peers.retain(|_peer, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(share()));
        peers.insert(peer, Arc::downgrade(&share));
        share
    }
}

impl<T> Read<T> {
    /// Makes another value of it, in the same turn.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            value: make(self.value),
            turn: self.turn,
        }
    }
}

/// Makes a 200 answer of JSON.
#[must_use]
pub fn json_answer(bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let media_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

fn share() -> usize {
    (SENDING.get() / PEERS_AT_LEAST)
        .try_into()
        .unwrap_or(usize::MAX)
}

/// Returns how many permits an answer needs. A larger one than a peer's whole share has that.
fn permits(bytes: usize) -> u32 {
    bytes.min(share()).try_into().unwrap_or(u32::MAX)
}

/// Counts what is written to it.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns how long an answer will be, so that its place is known and its memory exact.
fn len_of(value: &impl Serialize, around: Around<'_>) -> usize {
    let mut count = Count(around.before.len() + around.after.len());
    // A value that cannot be serialised is found out when it is written.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

fn written(
    value: &impl Serialize,
    len: usize,
    around: Around<'_>,
    place: Option<AnswerPlace>,
) -> Result<Bytes, Problem> {
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(around.before.as_bytes());
    if let Err(error) = serde_json::to_writer(&mut bytes, value) {
        tracing::error!(%error, "cannot serialise an answer; answering with 500");
        let message = "An internal error occurred. Send the request again; if it fails again, please report it.";
        return Err(Problem::new(500, "internal_error", message));
    }
    bytes.extend_from_slice(around.after.as_bytes());
    Ok(Bytes::from_owner(Placed {
        bytes,
        _place: place,
    }))
}

fn full() -> Problem {
    let message = "Too many large answers are being sent. Ask again later, and take answers without delay; if you operate this service, start another API instance.";
    Problem::new(503, "answers_full", message).retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests;
