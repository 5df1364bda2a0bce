//! When the pool works: pure decisions, so that they can be read and tested alone.
//!
//! A refill costs 100 to 150 ms of CPU, and on two cores doubles the time of a job beside it. So it
//! begins when nothing has run for a moment; while jobs keep running, one by one and seldom; and
//! never while every slot is taken: what waits for a slot then needs the CPU now, and a cold start
//! of its own costs no more than a refill would.

use std::time::Duration;

/// How long no job must have run: one caller that sends job after job is no quiet moment.
pub(super) const QUIET: Duration = Duration::from_millis(25);
/// How long a refill waits for a quiet moment, and the least time between two without one.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);
/// How long the removal of a used container waits for a quiet moment.
pub(super) const REMOVAL_PATIENCE: Duration = Duration::from_millis(500);

/// How busy the worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Nothing has run for this long.
    Quiet(Duration),
    /// Jobs run, and more could.
    Busy,
    /// Every slot is taken.
    Full,
}

/// One language's part of the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stock {
    /// Containers that wait for a job.
    pub(super) parked: usize,
    /// Refills under way.
    pub(super) starting: usize,
    /// How many there should be.
    pub(super) size: usize,
    /// How long to leave it alone: its last refill failed.
    pub(super) rest: Duration,
}

impl Stock {
    /// Whether a refill is due.
    pub(super) fn lacks(&self) -> bool {
        self.parked + self.starting < self.size
    }
}

/// What a decision on a refill is made of.
pub(super) struct Scene<'a> {
    pub(super) load: Load,
    /// How long the next refill has waited, with slots free.
    pub(super) waited: Duration,
    /// The most refills at a time.
    pub(super) at_once: usize,
    pub(super) stocks: &'a [Stock],
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Begin a refill of this one.
    Refill(usize),
    /// Nothing for so long, unless something changes.
    Wait(Duration),
    /// Nothing until something changes.
    Rest,
}

/// Whether to begin a refill, and of what: of the emptiest, and of those the first.
pub(super) fn refill(scene: &Scene<'_>) -> Decision {
    let under_way: usize = scene.stocks.iter().map(|stock| stock.starting).sum();
    let lacking = || {
        let stocks = scene.stocks.iter().enumerate();
        stocks.filter(|(_, stock)| stock.lacks())
    };
    if under_way >= scene.at_once {
        return Decision::Rest;
    }
    let emptiest = lacking()
        .filter(|(_, stock)| stock.rest.is_zero())
        .min_by_key(|(_, stock)| stock.parked + stock.starting);
    let Some((emptiest, _)) = emptiest else {
        let rest = lacking().map(|(_, stock)| stock.rest).min();
        return rest.map_or(Decision::Rest, Decision::Wait);
    };
    let patience = PATIENCE.saturating_sub(scene.waited);
    let wait = match scene.load {
        Load::Quiet(quiet) => QUIET.saturating_sub(quiet).min(patience),
        Load::Busy => patience,
        Load::Full => return Decision::Rest,
    };
    if wait.is_zero() {
        Decision::Refill(emptiest)
    } else {
        Decision::Wait(wait)
    }
}

/// How long the removal of a used container is still put off.
pub(super) fn removal(load: Load, waited: Duration) -> Duration {
    let patience = REMOVAL_PATIENCE.saturating_sub(waited);
    match load {
        Load::Quiet(quiet) => QUIET.saturating_sub(quiet).min(patience),
        Load::Busy | Load::Full => patience,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const AGES: Duration = Duration::from_secs(60);
    const QUIET_NOW: Load = Load::Quiet(AGES);

    fn stock(parked: usize, starting: usize) -> Stock {
        Stock {
            parked,
            starting,
            size: 2,
            rest: NOW,
        }
    }

    fn decide(load: Load, waited: Duration, stocks: &[Stock]) -> Decision {
        refill(&Scene {
            load,
            waited,
            at_once: 1,
            stocks,
        })
    }

    #[test]
    fn a_full_pool_rests_however_quiet_it_is() {
        assert_eq!(decide(QUIET_NOW, AGES, &[stock(2, 0)]), Decision::Rest);
        assert_eq!(decide(QUIET_NOW, AGES, &[]), Decision::Rest);
    }

    #[test]
    fn the_emptiest_is_filled_first() {
        let stocks = [stock(1, 0), stock(0, 0), stock(0, 0)];
        assert_eq!(decide(QUIET_NOW, NOW, &stocks), Decision::Refill(1));
    }

    #[test]
    fn a_quiet_moment_must_last() {
        let almost = QUIET - Duration::from_millis(1);
        let lacks = [stock(1, 0)];
        let left = Decision::Wait(Duration::from_millis(1));
        assert_eq!(decide(Load::Quiet(almost), NOW, &lacks), left);
        assert_eq!(decide(Load::Quiet(QUIET), NOW, &lacks), Decision::Refill(0));
    }

    #[test]
    fn beside_running_jobs_a_refill_is_seldom() {
        let lacks = [stock(0, 0)];
        assert_eq!(decide(Load::Busy, NOW, &lacks), Decision::Wait(PATIENCE));
        assert_eq!(decide(Load::Busy, PATIENCE, &lacks), Decision::Refill(0));
        // Moments between jobs that are too short to count do not put it off for good.
        assert_eq!(
            decide(Load::Quiet(NOW), PATIENCE, &lacks),
            Decision::Refill(0)
        );
    }

    #[test]
    fn with_every_slot_taken_there_is_none_however_long_it_waited() {
        assert_eq!(decide(Load::Full, AGES, &[stock(0, 0)]), Decision::Rest);
    }

    #[test]
    fn no_more_refills_than_allowed_are_under_way() {
        let stocks = [stock(0, 1), stock(0, 0)];
        assert_eq!(decide(QUIET_NOW, AGES, &stocks), Decision::Rest);
        let scene = Scene {
            load: QUIET_NOW,
            waited: AGES,
            at_once: 2,
            stocks: &stocks,
        };
        assert_eq!(refill(&scene), Decision::Refill(1));
    }

    #[test]
    fn what_failed_rests_and_does_not_hold_up_the_others() {
        let failed = Stock {
            rest: Duration::from_secs(3),
            ..stock(0, 0)
        };
        assert_eq!(
            decide(QUIET_NOW, AGES, &[failed]),
            Decision::Wait(failed.rest)
        );
        assert_eq!(
            decide(QUIET_NOW, AGES, &[failed, stock(1, 0)]),
            Decision::Refill(1)
        );
        assert_eq!(
            decide(QUIET_NOW, AGES, &[failed, stock(2, 0)]),
            Decision::Wait(failed.rest)
        );
    }

    #[test]
    fn a_removal_waits_for_quiet_but_not_long() {
        assert_eq!(removal(QUIET_NOW, NOW), NOW);
        assert_eq!(removal(Load::Quiet(NOW), NOW), QUIET);
        assert_eq!(removal(Load::Busy, NOW), REMOVAL_PATIENCE);
        assert_eq!(removal(Load::Full, REMOVAL_PATIENCE), NOW);
    }
}
