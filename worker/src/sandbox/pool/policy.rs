//! The pool's policy: pure decisions on when to refill and to remove.
//!
//! They can be read and tested alone.
//!
//! A refill costs 100 to 150 ms of CPU, and on two cores doubles the time of a job beside it. So
//! refills begin when no job has run for a moment. While jobs keep running, refills begin one at a
//! time and rarely. While every slot is taken, none begins: a job that waits for a slot needs the
//! CPU then, and its own cold start costs no more than a refill would.
//!
//! An engine that takes little makes a refill cost an interpreter's start alone, and a removal nothing
//! that is noticed: then refills wait less, and removals not at all.

use std::time::Duration;

use crate::engine::Effort;

/// The time without any job that counts as quiet. One caller that sends job after job leaves less.
pub(super) const QUIET: Duration = Duration::from_millis(25);
/// The longest wait of a refill for a quiet moment, and the least time between two without one.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);
/// The same with an engine that takes little.
const LIGHT_PATIENCE: Duration = Duration::from_millis(50);
/// The longest wait of a used container's removal for a quiet moment.
pub(super) const REMOVAL_PATIENCE: Duration = Duration::from_millis(500);

/// The worker's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// No job has run for this long.
    Quiet(Duration),
    /// Jobs run, and more could.
    Busy,
    /// Every slot is taken.
    Full,
}

/// The fill level of one language's pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// The number of containers that wait for a job.
    pub(super) parked: usize,
    /// The number of refills under way.
    pub(super) starting: usize,
    /// The number of containers that should wait.
    pub(super) size: usize,
    /// The pause that is left after a failed refill.
    pub(super) backoff: Duration,
}

impl Level {
    /// Returns whether a refill is due.
    pub(super) fn lacks(&self) -> bool {
        self.parked + self.starting < self.size
    }
}

/// The inputs to a decision on a refill.
pub(super) struct RefillInputs<'a> {
    pub(super) load: Load,
    /// The time that the next refill has waited, with slots free.
    pub(super) waited: Duration,
    /// The most concurrent refills.
    pub(super) at_once: usize,
    pub(super) effort: Effort,
    pub(super) levels: &'a [Level],
}

/// A decision on a refill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefillDecision {
    /// Begin a refill of this pool.
    Refill(usize),
    /// Wait that long, or until a change.
    Wait(Duration),
    /// Do nothing until a change.
    Idle,
}

/// Decides whether to begin a refill, and of which pool: the emptiest, and of those the first.
pub(super) fn refill(inputs: &RefillInputs<'_>) -> RefillDecision {
    let under_way: usize = inputs.levels.iter().map(|level| level.starting).sum();
    let lacking = || {
        let levels = inputs.levels.iter().enumerate();
        levels.filter(|(_, level)| level.lacks())
    };
    if under_way >= inputs.at_once {
        return RefillDecision::Idle;
    }
    let emptiest = lacking()
        .filter(|(_, level)| level.backoff.is_zero())
        .min_by_key(|(_, level)| level.parked + level.starting);
    let Some((emptiest, _)) = emptiest else {
        let backoff = lacking().map(|(_, level)| level.backoff).min();
        return backoff.map_or(RefillDecision::Idle, RefillDecision::Wait);
    };
    let patience = match inputs.effort {
        Effort::Heavy => PATIENCE,
        Effort::Light => LIGHT_PATIENCE,
    };
    let patience = patience.saturating_sub(inputs.waited);
    let wait = match inputs.load {
        Load::Quiet(quiet) => QUIET.saturating_sub(quiet).min(patience),
        Load::Busy => patience,
        Load::Full => return RefillDecision::Idle,
    };
    if wait.is_zero() {
        RefillDecision::Refill(emptiest)
    } else {
        RefillDecision::Wait(wait)
    }
}

/// Returns how much longer the removal of a used container is postponed.
pub(super) fn removal(load: Load, waited: Duration, effort: Effort) -> Duration {
    if effort == Effort::Light {
        return Duration::ZERO;
    }
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

    fn level(parked: usize, starting: usize) -> Level {
        Level {
            parked,
            starting,
            size: 2,
            backoff: NOW,
        }
    }

    fn decide(load: Load, waited: Duration, levels: &[Level]) -> RefillDecision {
        refill(&RefillInputs {
            load,
            waited,
            at_once: 1,
            effort: Effort::Heavy,
            levels,
        })
    }

    #[test]
    fn a_full_pool_is_not_refilled_however_quiet_it_is() {
        assert_eq!(
            decide(QUIET_NOW, AGES, &[level(2, 0)]),
            RefillDecision::Idle
        );
        assert_eq!(decide(QUIET_NOW, AGES, &[]), RefillDecision::Idle);
    }

    #[test]
    fn the_emptiest_is_filled_first() {
        let levels = [level(1, 0), level(0, 0), level(0, 0)];
        assert_eq!(decide(QUIET_NOW, NOW, &levels), RefillDecision::Refill(1));
    }

    #[test]
    fn a_quiet_moment_must_last() {
        let almost = QUIET - Duration::from_millis(1);
        let lacks = [level(1, 0)];
        let left = RefillDecision::Wait(Duration::from_millis(1));
        assert_eq!(decide(Load::Quiet(almost), NOW, &lacks), left);
        assert_eq!(
            decide(Load::Quiet(QUIET), NOW, &lacks),
            RefillDecision::Refill(0)
        );
    }

    #[test]
    fn beside_running_jobs_refills_are_rare() {
        let lacks = [level(0, 0)];
        assert_eq!(
            decide(Load::Busy, NOW, &lacks),
            RefillDecision::Wait(PATIENCE)
        );
        assert_eq!(
            decide(Load::Busy, PATIENCE, &lacks),
            RefillDecision::Refill(0)
        );
        // Pauses between jobs that are too short to count as quiet do not postpone it forever.
        assert_eq!(
            decide(Load::Quiet(NOW), PATIENCE, &lacks),
            RefillDecision::Refill(0)
        );
    }

    #[test]
    fn with_every_slot_taken_no_refill_begins_however_long_it_waited() {
        assert_eq!(
            decide(Load::Full, AGES, &[level(0, 0)]),
            RefillDecision::Idle
        );
    }

    #[test]
    fn no_more_refills_than_allowed_are_under_way() {
        let levels = [level(0, 1), level(0, 0)];
        assert_eq!(decide(QUIET_NOW, AGES, &levels), RefillDecision::Idle);
        let inputs = RefillInputs {
            load: QUIET_NOW,
            waited: AGES,
            at_once: 2,
            effort: Effort::Heavy,
            levels: &levels,
        };
        assert_eq!(refill(&inputs), RefillDecision::Refill(1));
    }

    #[test]
    fn a_failed_pool_backs_off_and_does_not_hold_up_the_others() {
        let failed = Level {
            backoff: Duration::from_secs(3),
            ..level(0, 0)
        };
        assert_eq!(
            decide(QUIET_NOW, AGES, &[failed]),
            RefillDecision::Wait(failed.backoff)
        );
        assert_eq!(
            decide(QUIET_NOW, AGES, &[failed, level(1, 0)]),
            RefillDecision::Refill(1)
        );
        assert_eq!(
            decide(QUIET_NOW, AGES, &[failed, level(2, 0)]),
            RefillDecision::Wait(failed.backoff)
        );
    }

    #[test]
    fn a_removal_waits_for_quiet_but_not_long() {
        let removal = |load, waited| removal(load, waited, Effort::Heavy);
        assert_eq!(removal(QUIET_NOW, NOW), NOW);
        assert_eq!(removal(Load::Quiet(NOW), NOW), QUIET);
        assert_eq!(removal(Load::Busy, NOW), REMOVAL_PATIENCE);
        assert_eq!(removal(Load::Full, REMOVAL_PATIENCE), NOW);
    }

    #[test]
    fn with_an_engine_that_takes_little_nothing_waits_long() {
        assert_eq!(removal(Load::Full, NOW, Effort::Light), NOW);
        let decision = refill(&RefillInputs {
            load: Load::Busy,
            waited: LIGHT_PATIENCE,
            at_once: 1,
            effort: Effort::Light,
            levels: &[level(0, 0)],
        });
        assert_eq!(decision, RefillDecision::Refill(0));
    }
}
