//! When a job that nobody waits for begins: pure decisions, so that they can be read and tested
//! alone.
//!
//! What such a job takes from others is the CPU. A container's start costs 100 to 150 ms of it and
//! more than doubles the time of a short job beside it. Nobody knows when the next caller comes, so
//! the part of the time in which such work is under way is the part of the callers who meet it:
//! while there are callers it is kept to so little that 19 of 20 never do. Without callers these
//! jobs have all slots but one.

use std::time::Duration;

/// For how long there must have been no caller before unattended jobs get what is there.
pub(super) const CALM: Duration = Duration::from_secs(15);
/// How long no job must have run that somebody waits for: a little longer than a refill waits
/// ([`crate::pool`]), which goes first.
pub(super) const QUIET: Duration = Duration::from_millis(40);
/// How long a job that is due waits for a quiet moment. Then it begins whatever else there is.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// One part in this many of the slots' time is for unattended jobs while there are callers.
const SHARE: u32 = 100;
/// What a job takes at least: the start of its container, and its removal after the slot was freed.
pub(super) const LEAST_COST: Duration = Duration::from_millis(250);
/// The longest pause after a job began, whatever it took: none waits for ever.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// One unattended job at a time for so many slots, while there are callers: on two cores one.
const SLOTS_FOR_ONE: usize = 4;

/// What a decision is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    /// How many slots there are.
    pub(super) slots: usize,
    /// How many of them are free.
    pub(super) free: usize,
    /// How many unattended jobs run.
    pub(super) unattended: usize,
    /// Whether there has been any caller.
    pub(super) has_run: bool,
    /// For how long no job has run that somebody waits for, if none runs.
    pub(super) quiet: Option<Duration>,
    /// Whether the pool is being refilled for callers, or is about to be.
    pub(super) is_refilling: bool,
    /// How long ago the last unattended job began, and how long it held its slot or has so far.
    pub(super) last: Option<(Duration, Duration)>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Begin one, on a slot to be given back when somebody needs it.
    Borrow,
    /// Begin one, and wait for a slot as all do: the guaranteed share is due.
    Insist,
    /// Nothing for so long, unless something changes.
    Wait(Duration),
    /// Nothing until something changes.
    Rest,
}

/// Whether the next unattended job begins.
pub(super) fn decide(scene: &Scene) -> Decision {
    let calm_in = match scene.quiet {
        _ if !scene.has_run => Duration::ZERO,
        Some(quiet) => CALM.saturating_sub(quiet),
        None => CALM,
    };
    if calm_in.is_zero() {
        // One stays free for whoever comes, unless there is no other.
        let most = (scene.slots - 1).max(1);
        return if scene.unattended < most && scene.free > scene.slots - most {
            Decision::Borrow
        } else {
            Decision::Rest
        };
    }
    if scene.unattended >= (scene.slots / SLOTS_FOR_ONE).max(1) {
        return Decision::Rest;
    }
    let overdue = match scene.last {
        None => Duration::ZERO,
        Some((ago, held)) => {
            let pause = pause(held, scene.slots);
            if ago < pause {
                return Decision::Wait((pause - ago).min(calm_in));
            }
            ago - pause
        }
    };
    let is_quiet = scene.free > 0 && !scene.is_refilling;
    match scene.quiet {
        Some(quiet) if is_quiet && quiet >= QUIET => Decision::Insist,
        _ if overdue >= PATIENCE => Decision::Insist,
        Some(quiet) if is_quiet => Decision::Wait(QUIET - quiet),
        _ => Decision::Wait((PATIENCE - overdue).min(LOOK_AGAIN)),
    }
}

/// A refill's end is told nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// From the beginning of a job that held its slot that long to the beginning of the next.
fn pause(held: Duration, slots: usize) -> Duration {
    let slots = u32::try_from(slots).unwrap_or(u32::MAX).max(1);
    (held.max(LEAST_COST) * SHARE / slots).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGES: Duration = Duration::from_secs(600);
    const JUST_NOW: Duration = Duration::from_secs(1);

    fn calm() -> Scene {
        Scene {
            slots: 4,
            free: 4,
            unattended: 0,
            has_run: true,
            quiet: Some(CALM),
            is_refilling: false,
            last: Some((Duration::ZERO, AGES)),
        }
    }

    /// A caller was here a moment ago, and an unattended job is long due.
    fn busy() -> Scene {
        Scene {
            quiet: Some(JUST_NOW),
            last: Some((AGES, JUST_NOW)),
            ..calm()
        }
    }

    #[test]
    fn without_callers_all_slots_but_one_are_theirs() {
        let after = |unattended| Scene {
            unattended,
            free: 4 - unattended,
            ..calm()
        };
        for unattended in 0..3 {
            assert_eq!(decide(&after(unattended)), Decision::Borrow);
        }
        assert_eq!(decide(&after(3)), Decision::Rest);
        let never = Scene {
            has_run: false,
            quiet: Some(Duration::ZERO),
            ..calm()
        };
        assert_eq!(decide(&never), Decision::Borrow);
    }

    #[test]
    fn an_only_slot_is_lent_as_well() {
        let only = Scene {
            slots: 1,
            free: 1,
            ..calm()
        };
        assert_eq!(decide(&only), Decision::Borrow);
        let taken = Scene { free: 0, ..only };
        assert_eq!(decide(&taken), Decision::Rest);
    }

    #[test]
    fn while_there_are_callers_a_job_is_followed_by_a_pause() {
        let began = |ago, held| Scene {
            last: Some((Duration::from_millis(ago), Duration::from_millis(held))),
            ..busy()
        };
        // A hundredth of four slots is a twenty-fifth of one.
        let left = |millis| Decision::Wait(Duration::from_millis(millis));
        assert_eq!(decide(&began(1_000, 300)), left(6_500));
        assert_eq!(decide(&began(1_000, 10)), left(5_250));
        assert_eq!(decide(&began(7_500, 300)), Decision::Insist);
        assert_eq!(decide(&began(1_000, 3_000)), left(9_000));
        let nearly_calm = Scene {
            quiet: Some(CALM - JUST_NOW),
            ..began(1_000, 3_000)
        };
        assert_eq!(decide(&nearly_calm), left(1_000));
    }

    #[test]
    fn it_waits_for_a_quiet_moment_and_not_for_ever() {
        let overdue = |by: Duration| Scene {
            last: Some((LONGEST_PAUSE + by, AGES)),
            ..busy()
        };
        let running = |by| Scene {
            quiet: None,
            free: 0,
            ..overdue(by)
        };
        let refilling = |by| Scene {
            is_refilling: true,
            ..overdue(by)
        };
        for scene in [running(Duration::ZERO), refilling(Duration::ZERO)] {
            assert!(matches!(decide(&scene), Decision::Wait(_)), "{scene:?}");
        }
        for scene in [running(PATIENCE), refilling(PATIENCE)] {
            assert_eq!(decide(&scene), Decision::Insist, "{scene:?}");
        }
        let between = Scene {
            quiet: Some(QUIET / 2),
            ..overdue(Duration::ZERO)
        };
        assert_eq!(decide(&between), Decision::Wait(QUIET / 2));
    }

    #[test]
    fn while_there_are_callers_one_at_a_time_for_four_slots() {
        let one = |slots| Scene {
            slots,
            unattended: 1,
            free: slots - 1,
            ..busy()
        };
        assert_eq!(decide(&one(2)), Decision::Rest);
        assert_eq!(decide(&one(4)), Decision::Rest);
        assert_eq!(decide(&one(8)), Decision::Insist);
    }

    /// However busy the worker is, in an hour of a thousand steps the share is given.
    #[test]
    fn none_is_starved_by_callers() {
        let (mut now, mut began, mut begun) = (Duration::ZERO, Duration::ZERO, 0_u32);
        while now < Duration::from_secs(3_600) {
            let scene = Scene {
                quiet: None,
                free: 0,
                last: Some((now - began, LEAST_COST)),
                ..busy()
            };
            match decide(&scene) {
                Decision::Insist => (began, begun) = (now, begun + 1),
                Decision::Wait(wait) => now += wait,
                other => panic!("{other:?}"),
            }
        }
        assert!((430..=440).contains(&begun), "{begun}");
    }
}
