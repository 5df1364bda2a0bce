//! The plan of a job's runs: which of them share a sandbox, and its orders.

use std::ops::Range;
use std::time::Duration;

use warren_languages::Language;
use warren_protocol::job::Job;
use warren_protocol::submission::OnFailure;
use warren_runner::wire::{Execute, Pace, Start};

use crate::engine::Isolation;
use crate::sandbox::command;

/// Divides this many runs into those that share a sandbox, in their order. Runs are numbered from 0
/// as [`Submission::inputs`] lists them: first the run on `input`, if there is one, then the cases.
///
/// [`Submission::inputs`]: warren_protocol::submission::Submission::inputs
pub(super) fn sandboxes(runs: usize, isolation: Isolation) -> Vec<Range<usize>> {
    match isolation {
        Isolation::Job => std::iter::once(0..runs).collect(),
        Isolation::Case => (0..runs).map(|run| run..run + 1).collect(),
    }
}

/// Makes the orders of the sandbox of these runs: the program and their inputs, and nothing else that
/// the caller sent.
pub(super) fn orders(
    job: &Job,
    language: &Language,
    runs: &Range<usize>,
    start: Start,
    budget: Duration,
) -> Execute {
    let (submission, limits) = (&job.submission, &job.limits);
    let inputs = submission.inputs().skip(runs.start).take(runs.len());
    Execute {
        command: command(language, limits),
        start,
        pace: match submission.on_failure() {
            OnFailure::GoOn => Pace::Through,
            // The next run depends on the verdict, which the container does not know.
            OnFailure::Stop => Pace::Stepwise,
        },
        code: submission.code().as_bytes().to_vec(),
        inputs: inputs.map(|input| input.as_bytes().to_vec()).collect(),
        time_limit: limits.time,
        budget,
        output_kept: limits.output_kept.get(),
        output_flood: limits.output_flood.get(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use warren_languages::Languages;
    use warren_protocol::ids::RoomId;
    use warren_protocol::limits::Limits;
    use warren_protocol::time::Deadline;
    use warren_runner::wire::{ToRunner, encode};

    use super::*;

    #[test]
    fn a_job_has_one_sandbox_or_one_for_each_run() {
        assert_eq!(sandboxes(3, Isolation::Job), vec![0..3; 1]);
        assert_eq!(sandboxes(3, Isolation::Case), [0..1, 1..2, 2..3]);
        assert_eq!(sandboxes(1, Isolation::Job), sandboxes(1, Isolation::Case));
    }

    /// Makes a job whose texts are all different, and that many bytes long.
    fn job(cases: usize, main: bool, length: usize) -> Job {
        let text = |name: &str, number: usize| {
            let mark = format!("<{name} {number}>");
            mark.repeat(length.div_ceil(mark.len()))
        };
        let case = |number| {
            serde_json::json!({
                "input": text("input", number), "expected_output": text("expected", number),
            })
        };
        let submission = serde_json::json!({
            "language": "python",
            "code": "print(input())",
            "input": main.then(|| text("main", 0)),
            "test_cases": (0..cases).map(case).collect::<Vec<_>>(),
        });
        let submission = serde_json::from_value(submission).unwrap();
        let deadline = Deadline::after(Duration::from_secs(5));
        Job::new(RoomId::direct(), submission, Limits::default(), deadline)
    }

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What cannot be there cannot be read: no expected output enters any sandbox, and no input
        /// but those of its own runs.
        #[test]
        fn a_sandbox_gets_the_inputs_of_its_own_runs_and_no_expected_output(
            cases in 1_usize..12,
            main: bool,
            length in 1_usize..400,
            apart: bool,
        ) {
            let job = job(cases, main, length);
            let languages = Languages::embedded();
            let language = languages.get("python").unwrap();
            let isolation = if apart { Isolation::Case } else { Isolation::Job };
            let inputs: Vec<&str> = job.submission.inputs().collect();
            let mut told = 0;
            for runs in sandboxes(inputs.len(), isolation) {
                let orders = orders(&job, language, &runs, Start::Fresh, Duration::from_secs(5));
                let frame = encode(&ToRunner::Execute(orders)).unwrap();
                for case in job.submission.test_cases() {
                    prop_assert!(!contains(&frame, case.expected_output()));
                }
                for (number, input) in inputs.iter().enumerate() {
                    prop_assert_eq!(contains(&frame, input), runs.contains(&number), "{}", number);
                }
                told += runs.len();
            }
            prop_assert_eq!(told, inputs.len(), "each run is in one sandbox");
        }
    }
}
