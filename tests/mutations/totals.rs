//! The totals of a run, by wall.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What the mutations of one wall came to.
#[derive(Default)]
struct OfWall {
    caught: usize,
    survived: usize,
    took: Duration,
    longest: Duration,
}

/// What all mutations came to, by wall.
#[derive(Default)]
pub struct Totals(BTreeMap<String, OfWall>);

impl Totals {
    /// Counts a mutation.
    pub fn add(&mut self, wall: &str, is_caught: bool, took: Duration) {
        let of = self.0.entry(wall.to_owned()).or_default();
        of.caught += usize::from(is_caught);
        of.survived += usize::from(!is_caught);
        of.took += took;
        of.longest = of.longest.max(took);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (wall, of) in &self.0 {
            writeln!(
                f,
                "{wall}: {} caught, {} survived; {} s, {} s at most",
                of.caught,
                of.survived,
                of.took.as_secs(),
                of.longest.as_secs()
            )?;
        }
        Ok(())
    }
}
