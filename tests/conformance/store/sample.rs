//! Jobs and their outcomes, to be recorded.

use std::time::Duration;

use warren_api::store::{End, Execution};
use warren_languages::{Languages, PolicyMode};
use warren_protocol::contract::{ExecuteRequest, ExecuteResponse};
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_protocol::limits::Limits;
use warren_protocol::outcome::{
    Captured, CaseResult, Difference, EngineName, Outcome, Run, Status, Timings,
};
use warren_protocol::reply::{FailureCode, JobFailure};
use warren_protocol::submission::Submission;
use warren_protocol::time::{Deadline, EpochMillis};

/// Code that must not be recorded.
pub(super) const CODE: &str = "print('a secret of the author')";

pub(super) fn job() -> Job {
    job_of(&serde_json::json!({
        "language": "python", "code": CODE, "input": "in",
        "testCases": [{"input": "1", "expectedOutput": "1"}, {"input": "2", "expectedOutput": "2"}],
    }))
}

/// A job whose two cases are hidden and hold this text. It has no run on an input of its own.
pub(super) fn hiding(secret: &str) -> Job {
    let case = serde_json::json!({"input": secret, "expectedOutput": secret, "hidden": true});
    job_of(&serde_json::json!({"language": "python", "code": CODE, "testCases": [case, case]}))
}

fn job_of(body: &serde_json::Value) -> Job {
    let request = ExecuteRequest::from_json(body.to_string().as_bytes()).expect("a valid body");
    let submission = Submission::parse(request, &Languages::embedded(), PolicyMode::Off);
    let room = "room-1".parse().expect("a valid room");
    let deadline = Deadline::after(Duration::from_secs(5));
    Job::new(
        room,
        submission.expect("valid"),
        Limits::default(),
        deadline,
    )
}

fn run(status: Status, stdout: &str) -> Run {
    Run {
        status,
        exit_code: Some(0),
        signal: None,
        stdout: Captured {
            text: stdout.to_owned(),
            truncated: false,
        },
        stderr: Captured::default(),
        duration: Duration::from_micros(12_345),
        cpu: Duration::from_micros(6_789),
        memory_bytes: 7_000_000,
    }
}

pub(super) fn outcome(stdout: &str) -> Outcome {
    let case = |status, stdout, first_difference| CaseResult {
        run: Some(run(status, stdout)),
        status,
        first_difference,
    };
    Outcome {
        main: Some(run(Status::Completed, stdout)),
        cases: vec![
            case(Status::Completed, "1\n", None),
            case(
                Status::WrongAnswer,
                stdout,
                Some(Difference {
                    line: 1,
                    expected: Some("2".into()),
                    actual: Some(stdout.into()),
                }),
            ),
        ],
        timings: Timings::default(),
        finished_at: EpochMillis::now(),
        worker: InstanceId::new("worker"),
        image: "python:3.10-alpine".into(),
        engine: EngineName::Docker,
    }
}

pub(super) fn ran(job: &Job, stdout: &str) -> Execution {
    let response = ExecuteResponse::new(job.id, &job.submission, outcome(stdout));
    Execution::of(job, End::Ran(Box::new(response)))
}

pub(super) fn failed(job: &Job) -> Execution {
    let failure = JobFailure {
        code: FailureCode::SandboxUnavailable,
        message: "no container; try again".into(),
    };
    Execution::of(job, End::Failed(failure))
}
