//! Converts a worker's HTTP answer back into the outcome that it was made from.
//!
//! So it is recorded and answered like any other, under this API's own job id.

use std::time::Duration;

use warren_protocol::contract::{ExecuteResponse, TestResult};
use warren_protocol::outcome::{Captured, CaseResult, Outcome, Run, Status, Timings};
use warren_protocol::submission::Submission;

/// Returns the outcome; `None` if this cannot be an answer to that submission. The outcome lacks
/// what an answer does not contain (each case's exit code and memory).
pub(super) fn outcome(submission: &Submission, answer: ExecuteResponse) -> Option<Outcome> {
    if answer.test_results.len() != submission.test_cases().len() {
        return None;
    }
    let speaker = speaker(&answer)?;
    let mut outcome = Outcome {
        main: submission.main_input().map(|_input| speaker.clone()),
        cases: answer.test_results.into_iter().map(case).collect(),
        timings: Timings {
            queue: span(answer.timings.queue_ms)?,
            sandbox: span(answer.timings.sandbox_ms)?,
            run: span(answer.timings.run_ms)?,
        },
        finished_at: answer.execution_time,
        worker: answer.worker,
        image: answer.image,
        engine: answer.engine,
    };
    if let Some(main) = &mut outcome.main {
        // The overall verdict may be a case's, and not that of the run on `input`.
        let mut cases = outcome.cases.iter().map(|case| case.status);
        let failed = cases.find(|status| *status != Status::Completed);
        if main.exit_code == Some(0) && failed == Some(answer.status) {
            main.status = Status::Completed;
        }
    } else {
        // The answer's own figures come from one of the cases.
        let ran = |case: &CaseResult| case.run.is_some();
        let failing = outcome
            .cases
            .iter()
            .position(|case| ran(case) && !case.passed());
        let of = failing.or_else(|| outcome.cases.iter().position(ran));
        let of = of.and_then(|index| outcome.cases.get_mut(index)?.run.as_mut());
        if let Some(run) = of {
            let status = run.status;
            *run = Run { status, ..speaker };
        }
    }
    (outcome.status() == answer.status).then_some(outcome)
}

/// Returns the run whose output and exit the answer shows.
fn speaker(answer: &ExecuteResponse) -> Option<Run> {
    Some(Run {
        status: answer.status,
        exit_code: answer.exit_code,
        signal: answer.signal.clone(),
        stdout: Captured {
            text: answer.stdout.clone(),
            truncated: answer.truncated,
        },
        stderr: Captured {
            text: answer.stderr.clone(),
            truncated: false,
        },
        duration: span(answer.duration_ms)?,
        cpu: span(answer.cpu_ms)?,
        memory_bytes: answer.memory_bytes,
    })
}

fn case(result: TestResult) -> CaseResult {
    let run = (result.status != Status::NotRun).then(|| Run {
        status: match result.status {
            // The run itself completed.
            Status::WrongAnswer => Status::Completed,
            status => status,
        },
        exit_code: None,
        signal: None,
        stdout: Captured {
            text: result.actual_output,
            truncated: result.truncated,
        },
        stderr: Captured {
            text: result.stderr,
            truncated: false,
        },
        duration: span(result.duration_ms).unwrap_or_default(),
        cpu: Duration::ZERO,
        memory_bytes: 0,
    });
    CaseResult {
        run,
        status: result.status,
        first_difference: result.first_difference,
    }
}

/// Returns the time span; `None` if the number cannot be one.
fn span(millis: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(millis / 1e3).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use warren_languages::{Languages, PolicyMode};
    use warren_protocol::contract::ExecuteRequest;
    use warren_protocol::ids::{InstanceId, JobId};
    use warren_protocol::outcome::EngineName;
    use warren_protocol::time::EpochMillis;

    use super::*;

    fn submission(input: Option<&str>, cases: usize) -> Submission {
        let cases = vec![json!({"input": "i", "expectedOutput": "o"}); cases];
        let body = json!({"language": "python", "code": "1", "input": input, "testCases": cases});
        let request = ExecuteRequest::from_json(body.to_string().as_bytes()).unwrap();
        Submission::parse(request, &Languages::embedded(), PolicyMode::Enforce).unwrap()
    }

    fn run(status: Status, text: &str) -> Run {
        let exit_code = match status {
            Status::Completed => Some(0),
            Status::RuntimeError => Some(7),
            _ => None,
        };
        Run {
            status,
            exit_code,
            signal: exit_code.is_none().then(|| "SIGKILL".to_owned()),
            stdout: Captured {
                text: text.to_owned(),
                truncated: status == Status::OutputLimitExceeded,
            },
            stderr: Captured::default(),
            duration: Duration::from_micros(20_500),
            cpu: Duration::from_micros(10_250),
            memory_bytes: 8_000_000,
        }
    }

    fn answered(
        submission: &Submission,
        main: Option<Status>,
        cases: &[Status],
    ) -> ExecuteResponse {
        let case = |(index, status): (usize, &Status)| match status {
            Status::NotRun => CaseResult::not_run(),
            Status::WrongAnswer => CaseResult {
                run: Some(run(Status::Completed, &format!("case {index}"))),
                status: Status::WrongAnswer,
                first_difference: None,
            },
            status => CaseResult::judged(run(*status, &format!("case {index}")), None),
        };
        let outcome = Outcome {
            main: main.map(|status| run(status, "main")),
            cases: cases.iter().enumerate().map(case).collect(),
            timings: Timings::default(),
            finished_at: EpochMillis::now(),
            worker: InstanceId::new("worker"),
            image: "python:3.10-alpine".into(),
            engine: EngineName::Docker,
        };
        ExecuteResponse::new(JobId::new(), submission, outcome)
    }

    #[test]
    fn every_answer_is_the_same_after_the_way_back() {
        let ends = [
            Status::Completed,
            Status::RuntimeError,
            Status::TimeLimitExceeded,
            Status::MemoryLimitExceeded,
            Status::OutputLimitExceeded,
        ];
        let judged = [&ends[..], &[Status::WrongAnswer, Status::NotRun]].concat();
        for first in &judged {
            for second in &judged {
                let cases = [*first, *second];
                for main in ends.map(Some).into_iter().chain([None]) {
                    let submission = submission(main.map(|_status| "in"), 2);
                    let answer = answered(&submission, main, &cases);
                    let id = answer.job_id;
                    let back = outcome(&submission, answer.clone()).unwrap();
                    let again = ExecuteResponse::new(id, &submission, back);
                    assert_eq!(again, answer, "{main:?} {cases:?}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_an_answer_to_the_job_is_none() {
        let (one, two) = (submission(None, 1), submission(None, 2));
        let answer = answered(&two, None, &[Status::Completed, Status::WrongAnswer]);
        assert!(outcome(&one, answer.clone()).is_none());
        let other = ExecuteResponse {
            status: Status::Completed,
            ..answer.clone()
        };
        assert!(outcome(&two, other).is_none(), "not the cases' verdict");
        let other = ExecuteResponse {
            duration_ms: -1.0,
            ..answer
        };
        assert!(outcome(&two, other).is_none(), "no time");
    }
}
