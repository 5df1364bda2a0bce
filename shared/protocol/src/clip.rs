//! Cuts an outcome to a size that can travel, measured as JSON.
//!
//! Fifty test cases that each print as much as they may would make a reply of tens of megabytes.
//! Control characters are six bytes each in JSON, so that a text's own length says little.

use crate::limits::ByteSize;
use crate::outcome::{Captured, Outcome, Run};

/// The most text, as JSON, that all runs of one job report together. With what a caller sent
/// ([`MAX_BODY`]), one run's streams a second time (at most 2 x 64 KiB x 6) and the lines that
/// differ, an answer stays below 4 MiB. Quotes, backslashes and line ends take two bytes in JSON, so
/// that 1 MiB of ordinary text always fits.
///
/// [`MAX_BODY`]: crate::limits::MAX_BODY
pub const MAX_REPORTED: ByteSize = ByteSize::mib(2);
/// The most bytes of JSON that one byte of a text becomes: `\u0001`.
const LONGEST_ESCAPE: usize = 6;

/// Cuts the longest streams so that all together hold at most [`MAX_REPORTED`]. The verdicts are
/// decided before this, on the whole streams.
pub fn clip(outcome: &mut Outcome) {
    let cases = outcome.cases.iter_mut();
    let cases = cases.filter_map(|case| case.run.as_mut());
    clip_runs(outcome.main.iter_mut().chain(cases));
}

/// Cuts the streams of these runs as [`clip`] does. Called after each run, it holds what a job keeps
/// to [`MAX_REPORTED`]; no text is shorter in the end than if it was called once.
pub fn clip_runs<'a>(runs: impl Iterator<Item = &'a mut Run>) {
    let streams = runs.flat_map(|Run { stdout, stderr, .. }| [stdout, stderr]);
    let mut streams: Vec<&mut Captured> = streams.collect();
    // Few programs print enough for their texts to be worth a look.
    let bytes: usize = streams.iter().map(|stream| stream.text.len()).sum();
    if bytes * LONGEST_ESCAPE <= MAX_REPORTED.as_len() {
        return;
    }
    let total: usize = streams.iter().map(|stream| json_len(&stream.text)).sum();
    if total <= MAX_REPORTED.as_len() {
        return;
    }
    let share = MAX_REPORTED.as_len() / streams.len().max(1);
    for stream in &mut streams {
        stream.truncated |= cut(&mut stream.text, share);
    }
}

/// Returns the length of a text as JSON, without its quotes.
#[must_use]
pub fn json_len(text: &str) -> usize {
    text.bytes().map(byte_len).sum()
}

/// Cuts a text between two characters so that it takes at most `share` bytes of JSON. Returns whether
/// that took anything away.
pub fn cut(text: &mut String, share: usize) -> bool {
    let (mut end, mut len) = (0, 0);
    for character in text.chars() {
        len += match character.len_utf8() {
            1 => byte_len(character as u8),
            more => more,
        };
        if len > share {
            text.truncate(end);
            text.shrink_to_fit();
            return true;
        }
        end += character.len_utf8();
    }
    false
}

/// Returns how many bytes of JSON a byte of a text becomes, as `serde_json` escapes it.
fn byte_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => LONGEST_ESCAPE,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

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
        assert!(lengths(&large).iter().sum::<usize>() > MAX_REPORTED.as_len());
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

    #[test]
    fn a_mebibyte_of_ordinary_text_is_left_alone() {
        // Lines of one character are as bad as text gets.
        let mut small = outcome(16, &"\n".repeat(64 * 1024));
        let before = small.clone();
        clip(&mut small);
        assert_eq!(small, before);
    }

    #[test]
    fn control_characters_count_as_they_are_sent() {
        let mut hostile = outcome(10, &"\u{1}".repeat(64 * 1024));
        clip(&mut hostile);
        let sent = serde_json::to_string(&hostile).unwrap().len();
        assert!(sent < MAX_REPORTED.as_len() + 8 * 1024, "{sent}");
        let runs = hostile.cases.iter().filter_map(|case| case.run.as_ref());
        assert!(runs.into_iter().all(|run| run.stdout.truncated));
    }

    #[test]
    fn what_is_cut_gives_its_memory_back() {
        let mut text = "x".repeat(1 << 20);
        assert!(cut(&mut text, 10));
        assert!(text.capacity() < 1024);
    }

    proptest! {
        #[test]
        fn a_text_is_as_long_as_it_is_sent(text in any::<String>(), share in 0_usize..200) {
            let sent = |text: &str| serde_json::to_string(text).unwrap().len() - 2;
            prop_assert_eq!(json_len(&text), sent(&text));
            let mut short = text.clone();
            let was_cut = cut(&mut short, share);
            prop_assert!(text.starts_with(&short) && sent(&short) <= share.max(short.len()));
            prop_assert_eq!(was_cut, sent(&text) > share);
            // One character more would be too many.
            if let Some(next) = text[short.len()..].chars().next() {
                prop_assert!(sent(&short) + sent(&next.to_string()) > share);
            }
        }
    }

    proptest! {
        // Each looks at tens of megabytes.
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn cutting_as_runs_come_keeps_as_much_as_cutting_at_the_end(lens in prop::collection::vec(0_usize..65_536, 1..50)) {
            let mut whole = outcome(lens.len(), "");
            for (case, len) in whole.cases.iter_mut().zip(&lens) {
                case.run.as_mut().unwrap().stdout.text = "\u{1}".repeat(*len);
            }
            let mut coming = Outcome { cases: Vec::new(), ..whole.clone() };
            for case in &whole.cases {
                coming.cases.push(case.clone());
                clip(&mut coming);
                let held: usize = coming.cases.iter().map(|case| json_len(&case.run.as_ref().unwrap().stdout.text)).sum();
                prop_assert!(held <= MAX_REPORTED.as_len());
            }
            clip(&mut whole);
            for (at_once, coming) in lengths(&whole).into_iter().zip(lengths(&coming)) {
                prop_assert!(at_once <= coming);
            }
        }
    }
}
