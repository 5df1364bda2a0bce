//! Decides when an unattended job begins; pure, so that it can be tested alone.
//!
//! While callers come, unattended jobs have their [`Share`] of the slots' time, whatever else there
//! is to do. So a batch always makes progress, and a caller meets no more than that many container
//! starts beside its own. From [`CALM`] after the last caller on, they have every idle slot, and
//! give back the one that a caller needs.

use std::time::Duration;

use super::share::Share;

/// The time without a caller's job after which unattended jobs have every idle slot.
pub(super) const CALM: Duration = Duration::from_secs(1);
/// The least cost that a job is counted with: the start of its container, and its removal after the
/// slot was freed.
pub(super) const LEAST_COST: Duration = Duration::from_millis(250);

/// The facts that a decision rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    /// The number of this worker's slots.
    pub(super) slots: usize,
    /// The number of those that are free.
    pub(super) free: usize,
    /// The number of unattended jobs that run.
    pub(super) unattended: usize,
    /// The part of the slots' time that is theirs while callers come.
    pub(super) share: Share,
    /// Whether there has been any caller.
    pub(super) has_run: bool,
    /// The time for which no caller's job has run, if none runs now.
    pub(super) quiet: Option<Duration>,
    /// The last unattended job to begin on its share.
    pub(super) last: Option<Begun>,
}

/// An unattended job that began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    /// The time since it began.
    pub(super) ago: Duration,
    /// The time for which it held its slot, or has so far.
    pub(super) held: Duration,
}

/// A decision on the next unattended job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Begin one on an idle slot, which is given back when a caller needs it.
    Lend,
    /// Begin one on the share. It waits for a slot as any job does, and keeps it.
    StartNow,
    /// Begin none for this long, unless something changes.
    Wait(Duration),
    /// Begin none until something changes.
    Idle,
}

/// Decides whether the next unattended job begins.
pub(super) fn decide(inputs: &Inputs) -> Decision {
    let calm_in = match inputs.quiet {
        _ if !inputs.has_run => Duration::ZERO,
        Some(quiet) => CALM.saturating_sub(quiet),
        None => CALM,
    };
    if calm_in.is_zero() {
        return if inputs.free > 0 {
            Decision::Lend
        } else {
            Decision::Idle
        };
    }
    let theirs = inputs.share.of_slots(inputs.slots);
    // At least one. If the share is less than a slot, there are pauses between its jobs.
    let running = f64::from(u16::try_from(inputs.unattended).unwrap_or(u16::MAX));
    if running + 1.0 > theirs.max(1.0) {
        return Decision::Wait(calm_in);
    }
    if let Some(Begun { ago, held }) = inputs.last {
        let pause = held.max(LEAST_COST).div_f64(theirs);
        if ago < pause {
            return Decision::Wait((pause - ago).min(calm_in));
        }
    }
    Decision::StartNow
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGES: Duration = Duration::from_secs(600);
    const MOMENT: Duration = Duration::from_millis(100);

    fn calm() -> Inputs {
        Inputs {
            slots: 4,
            free: 4,
            unattended: 0,
            share: Share::default(),
            has_run: true,
            quiet: Some(CALM),
            last: Some(Begun {
                ago: Duration::ZERO,
                held: AGES,
            }),
        }
    }

    /// Returns inputs with a caller a moment ago, and the last unattended job long over.
    fn busy() -> Inputs {
        Inputs {
            quiet: Some(MOMENT),
            last: Some(Begun {
                ago: AGES,
                held: MOMENT,
            }),
            ..calm()
        }
    }

    #[test]
    fn without_callers_every_idle_slot_is_lent() {
        for unattended in 0..4 {
            let some = Inputs {
                unattended,
                free: 4 - unattended,
                ..calm()
            };
            assert_eq!(decide(&some), Decision::Lend, "{unattended}");
        }
        let full = Inputs {
            unattended: 4,
            free: 0,
            ..calm()
        };
        assert_eq!(decide(&full), Decision::Idle);
        let never = Inputs {
            has_run: false,
            quiet: Some(Duration::ZERO),
            ..calm()
        };
        assert_eq!(decide(&never), Decision::Lend);
    }

    #[test]
    fn while_callers_come_unattended_jobs_have_their_share_of_the_slots() {
        let running = |slots, unattended| Inputs {
            slots,
            unattended,
            free: 0,
            quiet: None,
            ..busy()
        };
        // A quarter of four slots is one, of eight two, and of two it is one with pauses.
        for (slots, most) in [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4)] {
            for unattended in 0..most {
                assert_eq!(decide(&running(slots, unattended)), Decision::StartNow);
            }
            assert_eq!(decide(&running(slots, most)), Decision::Wait(CALM));
        }
    }

    #[test]
    fn a_share_of_less_than_a_slot_pauses_between_jobs() {
        let after = |slots, ago, held| Inputs {
            slots,
            quiet: None,
            last: Some(Begun {
                ago: Duration::from_millis(ago),
                held: Duration::from_millis(held),
            }),
            ..busy()
        };
        let left = |millis| Decision::Wait(Duration::from_millis(millis));
        // A quarter of two slots is half of one: a job of 300 ms is followed by 300 ms without.
        assert_eq!(decide(&after(2, 300, 300)), left(300));
        assert_eq!(decide(&after(2, 600, 300)), Decision::StartNow);
        assert_eq!(decide(&after(2, 100, 10)), left(400));
        // Of four it is one whole: the next begins when the last one is over.
        assert_eq!(decide(&after(4, 300, 300)), Decision::StartNow);
        assert_eq!(decide(&after(4, 100, 10)), left(150));
        let nearly_calm = Inputs {
            quiet: Some(CALM - MOMENT),
            ..after(2, 300, 3_000)
        };
        assert_eq!(decide(&nearly_calm), left(100));
    }

    proptest! {
        /// However busy the callers keep the worker, a batch has its share: not much less, so that
        /// it is never starved, and not much more.
        #[test]
        fn unattended_jobs_get_their_share_and_no_more(slots in 1_usize..=16, part in 1_u32..=100, job_ms in 250_u64..3_000) {
            let share: Share = format!("{}", f64::from(part) / 100.0).parse().unwrap();
            let (theirs, took) = (share.of_slots(slots), Duration::from_millis(job_ms));
            let (mut now, end) = (Duration::ZERO, took * 400);
            let mut running: Vec<Duration> = Vec::new();
            let (mut last, mut begun) = (None::<Duration>, 0_u32);
            while now < end {
                running.retain(|began| now - *began < took);
                let inputs = Inputs {
                    slots,
                    free: 0,
                    unattended: running.len(),
                    share,
                    has_run: true,
                    quiet: None,
                    last: last.map(|began| Begun { ago: now - began, held: took.min(now - began) }),
                };
                match decide(&inputs) {
                    Decision::StartNow => {
                        running.push(now);
                        (last, begun) = (Some(now), begun + 1);
                    }
                    Decision::Wait(wait) => {
                        let over = running.iter().map(|began| *began + took - now).min();
                        now += over.map_or(wait, |over| over.min(wait)).max(Duration::from_millis(1));
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let given = f64::from(begun) * took.as_secs_f64() / end.as_secs_f64();
            prop_assert!(given <= theirs * 1.05 + 0.01, "{given} of {theirs}");
            // Whole slots, or a part of one.
            prop_assert!(given >= theirs.min(theirs.floor().max(1.0)) * 0.9, "{given} of {theirs}");
        }
    }
}
