//! Record of one execution: its job and its outcome.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use warren_languages::LanguageName;
use warren_protocol::callback::CallbackUrl;
use warren_protocol::clip::{cut, json_len};
use warren_protocol::contract::{ExecuteResponse, TestResult};
use warren_protocol::ids::{CallerTag, JobId, RoomId};
use warren_protocol::job::Job;
use warren_protocol::limits::ByteSize;
use warren_protocol::reply::{JobFailure, Reply};
use warren_protocol::time::EpochMillis;

use super::status::{ExecutionStatus, PENDING};

/// The most program text (outputs, inputs, expected outputs) that is recorded of one execution, as
/// JSON. An answer to a caller who waited is smaller ([`MAX_REPORTED`]); one of a batch may not be.
/// It bounds what a reader has the API hold, and a MongoDB document holds 16 MiB.
///
/// [`MAX_REPORTED`]: warren_protocol::clip::MAX_REPORTED
pub const MAX_RECORDED_TEXT: ByteSize = ByteSize::mib(4);

/// The record of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// The job.
    pub job_id: JobId,
    /// The submission's origin; `None` for the reply of a worker that could not read the job.
    pub origin: Option<JobOrigin>,
    /// The job's end.
    pub end: End,
    /// When this was recorded.
    pub recorded_at: EpochMillis,
    /// Where the result is posted once it is recorded. Not recorded itself: it may hold a secret.
    pub callback: Option<CallbackUrl>,
}

/// The origin of a job: where, when and as what it was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOrigin {
    /// The room it was submitted to.
    pub room: RoomId,
    /// The tag of who submitted it. Not recorded itself: it is for counting alone.
    pub caller: Option<CallerTag>,
    /// The language it was to run as.
    pub language: LanguageName,
    /// When it was submitted.
    pub submitted_at: EpochMillis,
    /// By when it was to begin, or to be done if its caller waited; `None` in records of versions
    /// that did not keep it.
    pub due_at: Option<EpochMillis>,
    /// The hash of its code.
    pub code: CodeHash,
    /// The code itself. The recorder removes it unless it is to be kept.
    pub source: Option<String>,
}

/// The end of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// No result yet: its caller stopped waiting first. The only end that a later record replaces.
    Pending,
    /// It ran, with this answer.
    Ran(Box<ExecuteResponse>),
    /// It could not be run.
    Failed(JobFailure),
}

impl End {
    /// Returns its status in one word: the verdict, or `pending` or `failed`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Pending => PENDING,
            Self::Ran(response) => response.status.as_str(),
            Self::Failed(_) => "failed",
        }
    }
}

/// The SHA-256 of a submission's code, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeHash(String);

impl CodeHash {
    /// Returns the hash of `code`.
    #[must_use]
    pub fn of(code: &str) -> Self {
        Self(
            Sha256::digest(code)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// Returns the hash as text: 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CodeHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err("a SHA-256 has 64 hexadecimal digits")
        }
    }
}

impl From<CodeHash> for String {
    fn from(hash: CodeHash) -> Self {
        hash.0
    }
}

impl From<&Job> for JobOrigin {
    fn from(job: &Job) -> Self {
        Self {
            room: job.room.clone(),
            caller: job.caller,
            language: job.submission.language().clone(),
            submitted_at: job.submitted_at,
            due_at: Some(job.deadline.at()),
            code: CodeHash::of(job.submission.code()),
            source: Some(job.submission.code().to_owned()),
        }
    }
}

impl JobOrigin {
    /// Returns the origin from a database's fields; `None` unless all of them are there.
    pub(super) fn from_parts(
        room: Option<String>,
        language: Option<String>,
        submitted_at: Option<EpochMillis>,
        due_at: Option<EpochMillis>,
        code: Option<String>,
    ) -> Result<Option<Self>, Box<dyn std::error::Error + Send + Sync>> {
        let (Some(room), Some(language), Some(submitted_at), Some(code)) =
            (room, language, submitted_at, code)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            room: room.parse()?,
            caller: None,
            language: language.parse()?,
            submitted_at,
            due_at,
            code: CodeHash::try_from(code)?,
            source: None,
        }))
    }
}

impl Execution {
    /// Returns the record that `job` came to this end.
    #[must_use]
    pub fn of(job: &Job, end: End) -> Self {
        let callback = job.callback.clone();
        Self::new(job.id, Some(JobOrigin::from(job)), end, callback)
    }

    /// Returns the record of a reply that no caller waited for.
    #[must_use]
    pub fn of_unclaimed(reply: Reply) -> Self {
        let Reply {
            job_id,
            result,
            job,
            ..
        } = reply;
        let job = job.filter(|job| job.id == job_id);
        let end = match result {
            Ok(outcome) => End::Ran(Box::new(match &job {
                Some(job) => ExecuteResponse::new(job_id, &job.submission, outcome),
                None => ExecuteResponse::without_cases(job_id, outcome),
            })),
            Err(failure) => End::Failed(failure),
        };
        let callback = job.as_ref().and_then(|job| job.callback.clone());
        Self::new(job_id, job.as_deref().map(JobOrigin::from), end, callback)
    }

    fn new(
        job_id: JobId,
        origin: Option<JobOrigin>,
        end: End,
        callback: Option<CallbackUrl>,
    ) -> Self {
        let end = match end {
            End::Ran(response) => End::Ran(Box::new(clipped(*response, MAX_RECORDED_TEXT))),
            end => end,
        };
        Self {
            job_id,
            origin,
            end,
            recorded_at: EpochMillis::now(),
            callback,
        }
    }

    /// Returns its status; for a job without a result, whether one may still come.
    #[must_use]
    pub fn status(&self) -> ExecutionStatus {
        match &self.end {
            End::Ran(response) => ExecutionStatus::Ran(response.status),
            End::Failed(_) => ExecutionStatus::Failed,
            End::Pending => {
                let due_at = self.origin.as_ref().and_then(|origin| origin.due_at);
                ExecutionStatus::without_result(
                    due_at.unwrap_or(self.recorded_at),
                    EpochMillis::now(),
                )
            }
        }
    }

    /// Returns whether a later record would change nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self.end, End::Pending)
    }

    /// Returns the record without the code.
    #[must_use]
    pub(crate) fn without_source(mut self) -> Self {
        if let Some(origin) = &mut self.origin {
            origin.source = None;
        }
        self
    }

    /// Returns the record without any text of the submission or of its runs, marked as such. The
    /// verdicts and figures stay.
    #[must_use]
    pub(crate) fn without_texts(self) -> Self {
        let mut execution = self.without_source();
        if let End::Ran(response) = &mut execution.end {
            response.texts_left_out = true;
            response.stdout.clear();
            response.stderr.clear();
            for case in &mut response.test_results {
                case.first_difference = None;
                case_texts(case).into_iter().for_each(String::clear);
            }
        }
        execution
    }

    /// Returns how many bytes its texts take.
    pub(crate) fn text_len(&self) -> usize {
        let text = match &self.end {
            End::Ran(response) => text_len(response, str::len),
            End::Failed(failure) => failure.message.len(),
            End::Pending => 0,
        };
        let source = self.origin.as_ref().and_then(|o| o.source.as_ref());
        text + source.map_or(0, String::len)
    }

    /// Estimates how much memory it takes.
    #[must_use]
    pub fn weight(&self) -> ByteSize {
        const REST: usize = 1024;
        ByteSize::bytes((self.text_len() + REST).try_into().unwrap_or(u64::MAX))
    }
}

/// Returns the length of all texts of an answer, each measured by `len`.
fn text_len(response: &ExecuteResponse, len: impl Fn(&str) -> usize) -> usize {
    let cases = response.test_results.iter().map(|case| {
        let lines = case.first_difference.iter();
        let lines = lines.flat_map(|d| d.expected.iter().chain(&d.actual));
        [
            &case.input,
            &case.expected_output,
            &case.actual_output,
            &case.stderr,
        ]
        .into_iter()
        .chain(lines)
        .map(|text| len(text))
        .sum::<usize>()
    });
    len(&response.stdout) + len(&response.stderr) + cases.sum::<usize>()
}

/// Returns the answer with its texts cut if together they exceed `limit` in JSON: each to an equal
/// share, and marked `truncated`.
fn clipped(mut response: ExecuteResponse, limit: ByteSize) -> ExecuteResponse {
    if text_len(&response, json_len) <= limit.as_len() {
        return response;
    }
    let share = limit.as_len() / (2 + 6 * response.test_results.len());
    response.truncated |= cut(&mut response.stdout, share) | cut(&mut response.stderr, share);
    for case in &mut response.test_results {
        let lines = case.first_difference.iter_mut();
        let lines = lines.flat_map(|d| d.expected.iter_mut().chain(&mut d.actual));
        let lines = lines
            .map(|line| cut(line, share))
            .fold(false, |any, is_cut| any | is_cut);
        let texts = case_texts(case).into_iter();
        let texts = texts
            .map(|text| cut(text, share))
            .fold(false, |any, is_cut| any | is_cut);
        case.truncated |= lines | texts;
    }
    response
}

fn case_texts(case: &mut TestResult) -> [&mut String; 4] {
    [
        &mut case.input,
        &mut case.expected_output,
        &mut case.actual_output,
        &mut case.stderr,
    ]
}
