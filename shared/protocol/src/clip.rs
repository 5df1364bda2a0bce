//! Cuts an outcome to a size that can travel.
//!
//! Fifty test cases that each print as much as they may would make a reply of tens of megabytes.

use crate::limits::ByteSize;
use crate::outcome::{Captured, Outcome, Run};

/// The most text that all runs of one job report together. A byte may take six in JSON, which is
/// still well below the queue's largest message.
const MAX_REPORTED: ByteSize = ByteSize::mib(1);

/// Cuts the longest streams so that all together hold at most 1 MiB. The verdicts are decided
/// before this, on the whole streams.
pub fn clip(outcome: &mut Outcome) {
    let mut streams: Vec<&mut Captured> = outcome
        .main
        .iter_mut()
        .chain(
            outcome
                .cases
                .iter_mut()
                .filter_map(|case| case.run.as_mut()),
        )
        .flat_map(|Run { stdout, stderr, .. }| [stdout, stderr])
        .collect();
    let total: usize = streams.iter().map(|stream| stream.text.len()).sum();
    if total <= MAX_REPORTED.as_len() {
        return;
    }
    let share = MAX_REPORTED.as_len() / streams.len().max(1);
    for stream in &mut streams {
        if stream.text.len() > share {
            let end = (0..=share)
                .rev()
                .find(|end| stream.text.is_char_boundary(*end));
            stream.text.truncate(end.unwrap_or(0));
            stream.truncated = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::ids::InstanceId;
    use crate::outcome::{CaseResult, EngineName, Status, Timings};
    use crate::time::EpochMillis;

    use super::*;

    fn outcome(cases: usize, stdout: &str) -> Outcome {
        let case = || CaseResult {
            run: Some(Run {
                status: Status::Completed,
                exit_code: Some(0),
                signal: None,
                stdout: Captured {
                    text: stdout.to_owned(),
                    truncated: false,
                },
                stderr: Captured::default(),
                duration: Duration::ZERO,
                cpu: Duration::ZERO,
                memory_bytes: 0,
            }),
            status: Status::Completed,
            first_difference: None,
        };
        Outcome {
            main: None,
            cases: (0..cases).map(|_| case()).collect(),
            timings: Timings::default(),
            finished_at: EpochMillis::now(),
            worker: InstanceId::new("worker"),
            image: String::new(),
            engine: EngineName::Docker,
        }
    }

    fn lengths(outcome: &Outcome) -> Vec<usize> {
        outcome
            .cases
            .iter()
            .filter_map(|case| Some(case.run.as_ref()?.stdout.text.len()))
            .collect()
    }

    #[test]
    fn an_outcome_that_fits_is_left_alone() {
        let mut small = outcome(16, &"x".repeat(64 * 1024));
        let before = small.clone();
        clip(&mut small);
        assert_eq!(small, before);
    }

    #[test]
    fn an_outcome_that_does_not_fit_is_cut_between_characters_and_marked() {
        let mut large = outcome(50, &"ä".repeat(32 * 1024));
        clip(&mut large);
        assert!(lengths(&large).iter().sum::<usize>() <= MAX_REPORTED.as_len());
        for case in large.cases {
            let stdout = case.run.unwrap().stdout;
            assert!(
                stdout.truncated
                    && stdout.text.chars().all(|c| c == 'ä')
                    && stdout.text.len() > 10_000
            );
        }
    }
}
