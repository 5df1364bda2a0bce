//! Measures the time from a fault to the first verdict and to full throughput.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journal::{Kind, Mark};
use super::ledger::{End, Entry};

/// The time over which throughput is measured.
const WINDOW: Duration = Duration::from_secs(1);
/// The resolution of the search for the moment of recovery.
const STEP: Duration = Duration::from_millis(100);
/// The percentage of verdicts among the answers of a window from which on service is back.
const BACK: usize = 80;

/// Times to recover from one kind of fault.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub kind: Kind,
    pub faults: usize,
    /// The times from the end of a fault to the next verdict, of each fault after which one came.
    pub first: Vec<Duration>,
    /// The times to the first second in which [`BACK`] per cent of the answers were verdicts.
    pub back: Vec<Duration>,
}

/// Measures the recovery from each kind of fault that occurred.
pub fn of(marks: &[Mark], entries: &[Arc<Entry>]) -> Vec<Recovery> {
    let mut answers: Vec<_> = entries
        .iter()
        .filter(|entry| !matches!(entry.end, End::ServerKilled))
        .map(|entry| (entry.answered, matches!(entry.end, End::Verdict(_))))
        .collect();
    answers.sort_by_key(|(at, _)| *at);
    let mut kinds: Vec<_> = marks.iter().map(|mark| mark.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let of_kind = |kind| {
        let ends: Vec<_> = marks
            .iter()
            .filter(|mark| mark.kind == kind)
            .filter_map(|mark| mark.over)
            .collect();
        let sorted = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times
        };
        Recovery {
            kind,
            faults: ends.len(),
            first: sorted(
                ends.iter()
                    .filter_map(|end| first(&answers, *end))
                    .collect(),
            ),
            back: sorted(ends.iter().filter_map(|end| back(&answers, *end)).collect()),
        }
    };
    kinds.into_iter().map(of_kind).collect()
}

/// Describes the run second by second: verdicts, other answers, and the faults that began and
/// ended.
pub fn timeline(marks: &[Mark], entries: &[Arc<Entry>]) -> String {
    let first = entries.iter().map(|entry| entry.sent).min();
    let last = entries.iter().map(|entry| entry.answered).max();
    let (Some(first), Some(last)) = (first, last) else {
        return String::new();
    };
    let mut text = String::new();
    let mut from = first;
    while from < last {
        let within = |at: Instant| at >= from && at < from + WINDOW;
        let answered = entries.iter().filter(|entry| within(entry.answered));
        let (verdicts, others): (Vec<_>, Vec<_>) =
            answered.partition(|entry| matches!(entry.end, End::Verdict(_)));
        let begun = marks.iter().filter(|mark| within(mark.begun));
        let over = marks.iter().filter(|mark| mark.over.is_some_and(within));
        let begun = begun.map(|mark| format!(" [{}", mark.what));
        let over = over.map(|mark| format!(" {}]", mark.what));
        let _ = writeln!(
            text,
            "{:4.0} s {:3} verdicts {:3} others{}",
            (from - first).as_secs_f64(),
            verdicts.len(),
            others.len(),
            begun.chain(over).collect::<String>(),
        );
        from += WINDOW;
    }
    text
}

fn first(answers: &[(Instant, bool)], since: Instant) -> Option<Duration> {
    let next = answers
        .iter()
        .find(|(at, verdict)| *verdict && *at >= since);
    next.map(|(at, _)| *at - since)
}

fn back(answers: &[(Instant, bool)], since: Instant) -> Option<Duration> {
    let last = answers.last()?.0;
    let mut from = since;
    while from + WINDOW <= last + STEP {
        let begin = answers.partition_point(|(at, _)| *at < from);
        let end = answers.partition_point(|(at, _)| *at < from + WINDOW);
        let window = &answers[begin..end];
        let verdicts = window.iter().filter(|(_, verdict)| *verdict).count();
        if verdicts > 0 && verdicts * 100 >= window.len() * BACK {
            return Some(from - since);
        }
        from += STEP;
    }
    None
}

/// Returns the value that so many per cent of them do not exceed.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let place = (sorted.len() * percent).div_ceil(100);
    sorted.get(place.saturating_sub(1)).copied()
}
