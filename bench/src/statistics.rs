//! Summaries of many measured times.

use std::time::Duration;

use serde::Serialize;
use warren_protocol::time::fractional_millis;

/// A summary of measured times, in milliseconds; all zero if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The number of times.
    pub samples: usize,
    /// Their mean.
    pub mean_ms: f64,
    /// The shortest.
    pub min_ms: f64,
    /// The median.
    pub p50_ms: f64,
    /// The time that 95 of 100 do not exceed.
    pub p95_ms: f64,
    /// The time that 99 of 100 do not exceed; of fewer than 100, the longest.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Summary {
    /// Summarises times.
    pub fn of(times: &[Duration]) -> Self {
        let mut sorted: Vec<f64> = times.iter().map(|time| fractional_millis(*time)).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self {
            samples: sorted.len(),
            mean_ms: mean(&sorted),
            min_ms: sorted.first().copied().unwrap_or_default(),
            p50_ms: percentile(&sorted, 50),
            p95_ms: percentile(&sorted, 95),
            p99_ms: percentile(&sorted, 99),
            max_ms: sorted.last().copied().unwrap_or_default(),
        }
    }
}

/// Returns the mean; zero without values.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of samples are far below 2^52"
)]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the smallest of the sorted values that `percent` of 100 do not exceed (nearest rank);
/// zero without values.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 50), 50.0);
        assert_eq!(percentile(&hundred, 95), 95.0);
        assert_eq!(percentile(&hundred, 99), 99.0);
        let three = [1.0, 2.0, 9.0];
        assert_eq!(percentile(&three, 50), 2.0);
        assert_eq!(percentile(&three, 95), 9.0);
        assert_eq!(percentile(&[7.0], 1), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn a_summary_does_not_depend_on_the_order() {
        let summary = Summary::of(&[30, 10, 20].map(Duration::from_millis));
        let expected = Summary {
            samples: 3,
            mean_ms: 20.0,
            min_ms: 10.0,
            p50_ms: 20.0,
            p95_ms: 30.0,
            p99_ms: 30.0,
            max_ms: 30.0,
        };
        assert_eq!(summary, expected);
        assert_eq!(Summary::of(&[]), Summary::default());
    }
}
