//! Messages on the wire: JSON bodies, and the properties around them.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::settlement::{Settlement, settle};
use super::topology::DEAD_JOBS;
use super::tries::Tries;
use crate::cancellations::REMEMBERED_FOR;
use crate::{Callback, JobClass, QueueError};
use warren_protocol::ids::JobId;
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;
use warren_protocol::time::{Deadline, EpochMillis, millis};

/// The durability of a message: whether it survives a restart of the broker. The numbers are the
/// protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    Transient = 1,
    Persistent = 2,
}

/// A message that this version of Warren cannot read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not JSON, or not of the shape.
    #[error("it is no message of Warren's: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Of another version.
    #[error("it is of version {0}, this build reads version {ours}", ours = Job::VERSION)]
    Version(u16),
}

/// A message with a version.
pub(crate) trait Versioned: DeserializeOwned {
    fn version(&self) -> u16;
}

impl Versioned for Job {
    fn version(&self) -> u16 {
        self.version
    }
}

impl Versioned for Cancellation {
    fn version(&self) -> u16 {
        self.version
    }
}

impl Versioned for Callback {
    fn version(&self) -> u16 {
        self.version
    }
}

impl Versioned for Reply {
    fn version(&self) -> u16 {
        self.version
    }
}

/// A cancellation, as its message holds it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cancellation {
    /// Version of this message; see [`Job::VERSION`].
    pub(crate) version: u16,
    pub(crate) job: JobId,
    /// The end of the time for which workers remember it.
    #[serde(default = "briefly")]
    pub(crate) deadline: Deadline,
}

/// Returns the default for versions whose messages have no deadline.
fn briefly() -> Deadline {
    Deadline::after(REMEMBERED_FOR)
}

impl Cancellation {
    /// Creates the cancellation of `job`, which may wait until `deadline`.
    pub(crate) fn new(job: JobId, deadline: Deadline) -> Self {
        Self {
            version: Job::VERSION,
            job,
            deadline,
        }
    }
}

pub(crate) fn decode<T: Versioned>(body: &[u8]) -> Result<T, Unreadable> {
    let message: T = serde_json::from_slice(body)?;
    match message.version() {
        Job::VERSION => Ok(message),
        other => Err(Unreadable::Version(other)),
    }
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(message)
}

/// Reads the job that `queue` has delivered. Moves a message that is not a job to the dead letters.
pub(crate) async fn job_in(
    delivered: &Delivery,
    queue: &'static str,
) -> Result<Option<Job>, QueueError> {
    match decode::<Job>(&delivered.data) {
        Ok(job) => Ok(Some(job)),
        Err(problem) => {
            tracing::error!(
                job.id = correlation(&delivered.properties),
                bytes = delivered.data.len(),
                queue,
                %problem,
                "cannot read a message as a job; moved to {DEAD_JOBS}"
            );
            settle(&delivered.acker, Settlement::Reject).await?;
            Ok(None)
        }
    }
}

/// The class of the job: not every queue has only one.
const CLASS: &str = "warren-class";

/// The reason for which a worker put a job aside; the broker's own reasons are in `x-death`.
const REASON: &str = "warren-reason";

/// The publisher of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The job's caller.
    Submitted,
    /// A worker that had it and does not run it, with the number of tries.
    Returned(Tries),
}

/// The origin and the destination of a job's message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journey<'a> {
    pub(crate) class: JobClass,
    /// The queue on which its reply is awaited.
    pub(crate) reply_to: Option<&'a str>,
    pub(crate) origin: Origin,
}

pub(crate) fn job_properties(job: &Job, journey: Journey<'_>) -> BasicProperties {
    let mut headers = job_headers(job);
    if let Origin::Returned(tries) = journey.origin {
        tries.note(&mut headers);
    }
    let class = AMQPValue::LongString(class_name(journey.class).into());
    headers.insert(CLASS.into(), class);
    let properties = waiting(job, "warren.job", journey.class).with_headers(headers);
    match journey.reply_to {
        Some(reply_to) => properties.with_reply_to(reply_to.into()),
        None => properties,
    }
}

/// Returns the properties of a token of the suspect `job`, whose body is empty.
pub(crate) fn token_properties(job: &Job, class: JobClass) -> BasicProperties {
    waiting(job, "warren.turn", class)
}

/// Returns the properties of a token that belongs to no suspect in particular.
pub(crate) fn spare_token_properties() -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(Mode::Persistent as u8)
        .with_type("warren.turn".into())
}

/// Returns the properties with which a job of `class` waits. The broker drops an interactive job at
/// its deadline, which its caller knows; an unattended one must be answered all the same, by a
/// worker.
fn waiting(job: &Job, kind: &str, class: JobClass) -> BasicProperties {
    match class {
        JobClass::Interactive => {
            // Zero would mean "only if a worker is free this very moment".
            let left = millis(job.deadline.remaining()).max(1);
            properties(job.id, kind, Mode::Transient).with_expiration(left.to_string().into())
        }
        JobClass::Unattended => properties(job.id, kind, Mode::Persistent),
    }
}

const fn class_name(class: JobClass) -> &'static str {
    match class {
        JobClass::Interactive => "interactive",
        JobClass::Unattended => "unattended",
    }
}

/// Returns the class of a job. One that names none is kept as unattended.
pub(crate) fn class_of(properties: &BasicProperties) -> JobClass {
    let headers = properties.headers().as_ref();
    let named = headers.and_then(|headers| headers.inner().get(CLASS));
    let interactive = class_name(JobClass::Interactive);
    match named {
        Some(AMQPValue::LongString(name)) if name.as_bytes() == interactive.as_bytes() => {
            JobClass::Interactive
        }
        _ => JobClass::Unattended,
    }
}

/// Returns the properties of a job that is put aside, with the reason.
pub(crate) fn dead_job_properties(job: &Job, tries: Tries, reason: &str) -> BasicProperties {
    let mut headers = job_headers(job);
    tries.note(&mut headers);
    headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
    properties(job.id, "warren.job", Mode::Persistent).with_headers(headers)
}

fn job_headers(job: &Job) -> FieldTable {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &job.traceparent {
        let value = AMQPValue::LongString(traceparent.as_str().into());
        headers.insert("traceparent".into(), value);
    }
    headers
}

pub(crate) fn reply_properties(job: JobId) -> BasicProperties {
    properties(job, "warren.reply", Mode::Persistent)
}

/// Returns the properties of a callback; with a pause, it returns to its queue after that.
pub(crate) fn callback_properties(job: JobId, pause: Option<Duration>) -> BasicProperties {
    let properties = properties(job, "warren.callback", Mode::Persistent);
    match pause {
        Some(pause) => properties.with_expiration(millis(pause).to_string().into()),
        None => properties,
    }
}

pub(crate) fn cancellation_properties(job: JobId, deadline: Deadline) -> BasicProperties {
    properties(job, "warren.cancellation", Mode::Transient)
        .with_expiration(millis(deadline.remaining()).max(1).to_string().into())
}

fn properties(job: JobId, kind: &str, mode: Mode) -> BasicProperties {
    let id = ShortString::from(job.to_string());
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(mode as u8)
        .with_correlation_id(id.clone())
        .with_message_id(id)
        .with_timestamp(EpochMillis::now().get() / 1000)
        .with_type(kind.into())
}

/// Returns the job that a message is about, as its properties have it; for logs.
pub(crate) fn correlation(properties: &BasicProperties) -> &str {
    properties
        .correlation_id()
        .as_ref()
        .map_or("unknown", ShortString::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use warren_protocol::reply::{FailureCode, JobFailure};

    fn reply() -> Reply {
        Reply::new(
            JobId::new(),
            Err(JobFailure {
                code: FailureCode::SandboxUnavailable,
                message: "no engine".to_owned(),
            }),
        )
    }

    #[test]
    fn messages_survive_the_wire() {
        let sent = reply();
        let body = encode(&sent).unwrap();
        assert_eq!(decode::<Reply>(&body).unwrap(), sent);
    }

    #[test]
    fn other_versions_are_distinguished_from_malformed_messages() {
        let mut other = reply();
        other.version = Job::VERSION + 1;
        let body = encode(&other).unwrap();
        assert!(matches!(
            decode::<Reply>(&body),
            Err(Unreadable::Version(version)) if version == other.version
        ));
        for body in ["", "{", "{}", "[]", "\"reply\""] {
            assert!(
                matches!(
                    decode::<Reply>(body.as_bytes()),
                    Err(Unreadable::Malformed(_))
                ),
                "{body}"
            );
        }
    }
}
