//! The plan of a run: measurements and their lengths.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;
use warren_protocol::time::fractional_millis;

use crate::BenchArguments;

/// The time for which `--soak` sustains the highest number of jobs.
const SOAK: Duration = Duration::from_secs(60);
/// Round trips over the broker for each round of hello; they take milliseconds.
const ROUND_TRIPS: u32 = 5;

/// The measurements of a run, and their lengths.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Rounds of hello, one job at a time.
    pub rounds: u32,
    /// The shortest time from the end of one of Warren's jobs to the start of the next.
    #[serde(rename = "gapMs", serialize_with = "as_millis")]
    pub gap: Duration,
    /// Round trips over each kind of queue.
    pub round_trips: u32,
    /// The part with many jobs at a time; `None` if it is skipped.
    pub sustained: Option<Sustained>,
}

/// The part with many jobs at a time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sustained {
    /// The numbers of jobs at a time, in rising order.
    pub levels: Vec<NonZeroUsize>,
    /// The time each system runs before jobs count, by when everything pre-warmed is used up.
    #[serde(rename = "rampMs", serialize_with = "as_millis")]
    pub ramp: Duration,
    /// The time for which jobs count.
    #[serde(rename = "windowMs", serialize_with = "as_millis")]
    pub window: Duration,
    /// The time for which jobs count at the highest level.
    #[serde(rename = "topWindowMs", serialize_with = "as_millis")]
    pub top_window: Duration,
}

impl Plan {
    /// Reads the plan from the command line.
    pub fn new(arguments: &BenchArguments) -> Self {
        let (rounds, gap_ms, window_s, levels): (_, _, _, &[usize]) = if arguments.quick {
            (5, 300, 2, &[1, 8])
        } else {
            (100, 500, 6, &[1, 2, 4, 8, 16])
        };
        let rounds = arguments.rounds.unwrap_or(rounds);
        let sustained = (!arguments.no_sustained).then(|| {
            let given = arguments.concurrency.clone();
            let usual = || levels.iter().copied().filter_map(NonZeroUsize::new);
            let mut levels = given.unwrap_or_else(|| usual().collect());
            levels.sort_unstable();
            levels.dedup();
            let window = Duration::from_secs(arguments.window_s.unwrap_or(window_s));
            Sustained {
                levels,
                ramp: window / 2,
                window,
                top_window: if arguments.soak {
                    SOAK.max(window)
                } else {
                    window
                },
            }
        });
        Self {
            rounds,
            gap: Duration::from_millis(arguments.gap_ms.unwrap_or(gap_ms)),
            round_trips: rounds * ROUND_TRIPS,
            sustained,
        }
    }
}

impl Sustained {
    /// Returns the time for which jobs count at this level.
    pub fn window(&self, level: NonZeroUsize) -> Duration {
        if self.levels.last() == Some(&level) {
            self.top_window
        } else {
            self.window
        }
    }
}

fn as_millis<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(fractional_millis(*span))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: BenchArguments,
    }

    fn plan(arguments: &[&str]) -> Plan {
        let line = ["warren bench"].iter().chain(arguments);
        Plan::new(&Line::parse_from(line).arguments)
    }

    #[test]
    fn the_default_plan_is_the_published_one() {
        let plan = plan(&[]);
        assert_eq!((plan.rounds, plan.gap.as_millis()), (100, 500));
        let sustained = plan.sustained.unwrap();
        let levels: Vec<_> = sustained.levels.iter().map(|level| level.get()).collect();
        assert_eq!(levels, [1, 2, 4, 8, 16]);
        let top = *sustained.levels.last().unwrap();
        assert_eq!(sustained.window(top), sustained.window);
    }

    #[test]
    fn a_soak_lengthens_the_highest_level_alone() {
        let sustained = plan(&["--soak", "--concurrency", "16,4,4"])
            .sustained
            .unwrap();
        let windows: Vec<_> = sustained
            .levels
            .iter()
            .map(|level| (level.get(), sustained.window(*level).as_secs()))
            .collect();
        assert_eq!(windows, [(4, 6), (16, 60)]);
    }

    #[test]
    fn given_options_override_quick() {
        let plan = plan(&[
            "--quick",
            "--rounds",
            "2",
            "--gap-ms",
            "0",
            "--no-sustained",
        ]);
        assert_eq!((plan.rounds, plan.gap), (2, Duration::ZERO));
        assert!(plan.sustained.is_none());
    }
}
