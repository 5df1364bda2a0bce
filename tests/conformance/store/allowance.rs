//! Limits of what is recorded: hidden cases, and callers that record much.

use std::sync::Arc;
use std::time::Duration;

use warren_api::history::Recorder;
use warren_api::store::{CodeKeeping, End, Execution, Keeping};
use warren_protocol::contract::ExecuteResponse;
use warren_protocol::ids::CallerTag;
use warren_protocol::limits::ByteSize;
use warren_protocol::reply::Reply;

use super::sample::{hiding, job, outcome};
use super::{Opener, find, record};

/// A text that the program of each job prints, and a day's allowance of so many of them.
const PRINTED: usize = 10_000;
const ALLOWED: u64 = 30;

pub(super) async fn hidden_cases_are_recorded_as_verdicts(store: Opener) {
    const SECRET: &str = "s3cr3t-of-the-judge";
    let store = store.open().await;
    let (told, late) = (hiding(SECRET), hiding(SECRET));
    let outcome = |text| {
        let mut outcome = outcome(text);
        outcome.main = None;
        outcome
    };
    let response = ExecuteResponse::new(told.id, &told.submission, outcome(SECRET));
    let answered = Execution::of(&told, End::Ran(Box::new(response)));
    let reply = Reply::new(late.id, Ok(outcome(SECRET))).about(late.clone());
    for execution in [answered, Execution::of_unclaimed(reply)] {
        record(store.as_ref(), &execution).await;
        let found = find(store.as_ref(), execution.job_id).await;
        assert_eq!(found.end, execution.end);
        let End::Ran(response) = found.end else {
            panic!("it ran");
        };
        let json = serde_json::to_string(&response).expect("JSON");
        assert!(!json.contains(SECRET), "{json}");
        let hidden: Vec<_> = response
            .test_results
            .iter()
            .map(|case| case.hidden)
            .collect();
        assert_eq!(hidden, [true, true]);
        assert!(response.test_results[0].passed && !response.test_results[1].passed);
    }
}

pub(super) async fn a_caller_beyond_its_share_of_the_day_is_recorded_without_texts(store: Opener) {
    let opened = store.open().await;
    let keeping = Keeping {
        code: CodeKeeping::Whole,
        texts_a_day: ByteSize::bytes(ALLOWED * PRINTED as u64),
    };
    let recorder = Recorder::keeping(keeping, Arc::clone(&opened));
    let printed = "x".repeat(PRINTED);
    let mut executions = Vec::new();
    for (caller, count) in [(1, 40), (2, 1)] {
        for number in 0..count {
            let mut job = job();
            job.caller = Some(CallerTag::new([caller; 16]));
            job.room = format!("room-{number}").parse().expect("a room");
            let mut outcome = outcome("");
            outcome
                .main
                .as_mut()
                .expect("a run")
                .stdout
                .text
                .clone_from(&printed);
            let response = ExecuteResponse::new(job.id, &job.submission, outcome);
            let execution = Execution::of(&job, End::Ran(Box::new(response)));
            let written = recorder.record(execution.clone());
            assert!(written.within(Duration::from_secs(60)).await);
            executions.push(execution);
        }
    }
    let mut whole = 0;
    for execution in &executions[..40] {
        let found = find(opened.as_ref(), execution.job_id).await;
        let (End::Ran(found_answer), End::Ran(answer)) = (&found.end, &execution.end) else {
            panic!("it ran");
        };
        let source = found
            .origin
            .as_ref()
            .and_then(|origin| origin.source.as_ref());
        if !found_answer.texts_left_out {
            assert_eq!(found_answer, answer);
            whole += 1;
            continue;
        }
        assert!(source.is_none() && found_answer.stdout.is_empty());
        let cases = found_answer.test_results.iter().zip(&answer.test_results);
        for (found, case) in cases {
            assert_eq!(
                (found.status, found.duration_ms),
                (case.status, case.duration_ms)
            );
            assert!(found.input.is_empty() && found.first_difference.is_none());
        }
        assert_eq!(found_answer.cpu_ms, answer.cpu_ms);
    }
    // Two thirds of the day; each record has a little text beside what was printed.
    assert!((18..=20).contains(&whole), "{whole}");
    let other = find(opened.as_ref(), executions[40].job_id).await;
    assert_eq!(other.end, executions[40].end);
    recorder.drain(Duration::from_secs(60)).await;
}
