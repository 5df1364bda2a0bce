//! Tests of admission in simulated systems.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::model::{Model, RETRY, Refused};
use super::simulation::{Account, BUDGET, Plan, simulate};
use super::supply::Supply;

/// From 50 ms to 3 s, as many between 50 and 100 ms as between 1.5 and 3 s; 0.72 s on average.
fn mixed(random: f64) -> f64 {
    0.05 * 60_f64.powf(random)
}

/// Mostly programs that do almost nothing, and one in ten at the limit; 0.37 s on average.
fn mostly_short(random: f64) -> f64 {
    if random < 0.9 { 0.08 } else { 3.0 }
}

fn short(_random: f64) -> f64 {
    0.1
}

/// The time that a job takes, as a function of a number between 0 and 1.
type Service = fn(f64) -> f64;

const MIXES: [(Service, f64); 3] = [(mixed, 0.72), (mostly_short, 0.372), (short, 0.1)];
const SEEDS: std::ops::Range<u64> = 0..2;

/// Two minutes for one API on an idle system, whose worker has measured trivial jobs so far.
fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        apis: 1,
        rooms: 1,
        flood_rooms: 1,
        flood: 1.0,
        slots: 4,
        rate: 0.0,
        burst: 0,
        seconds: 120,
        slots_lost: 0,
        stall: 1.0,
        service: mixed,
        announced: Some(Duration::from_millis(20)),
    }
}

/// Sums up several runs, with the mean use of the slots.
fn sum(accounts: impl Iterator<Item = Account>) -> Account {
    let (mut total, mut runs) = (Account::default(), 0.0);
    for account in accounts {
        total.accepted += account.accepted;
        total.refused += account.refused;
        total.missed += account.missed;
        total.missed_at_first += account.missed_at_first;
        total.use_of_slots += account.use_of_slots;
        runs += 1.0;
    }
    total.use_of_slots /= runs;
    total
}

/// Simulates that many times the capacity.
fn under(load: f64, other: impl Fn(Plan) -> Plan) -> Vec<Account> {
    let mixes = MIXES.into_iter();
    let accounts = mixes.map(|(service, mean)| {
        sum(SEEDS.map(|seed| {
            let plan = other(Plan {
                service,
                ..plan(seed)
            });
            let rate = load * plan.slots as f64 / mean;
            simulate(Plan { rate, ..plan })
        }))
    });
    accounts.collect()
}

/// Checks the results from when it is known how long jobs take.
fn assert_kept(account: &Account, missed_at_most: f64, used_at_least: f64) {
    let missed = (account.missed - account.missed_at_first) as f64 / account.accepted as f64;
    assert!(missed <= missed_at_most, "{missed}: {account:?}");
    assert!(account.use_of_slots >= used_at_least, "{account:?}");
}

#[test]
fn at_ten_times_the_capacity_what_is_accepted_is_done_in_time() {
    for slots in [2, 4, 16] {
        for account in under(10.0, |plan| Plan { slots, ..plan }) {
            assert_kept(&account, 0.002, 0.9);
            assert!(account.refused > 8 * account.accepted, "{account:?}");
        }
    }
}

#[test]
fn a_little_over_capacity_as_well() {
    for account in under(1.2, |plan| Plan { slots: 16, ..plan }) {
        assert_kept(&account, 0.001, 0.9);
    }
}

#[test]
fn within_capacity_next_to_nobody_is_refused() {
    for account in under(0.5, |plan| Plan { slots: 16, ..plan }) {
        assert_kept(&account, 0.0005, 0.4);
        assert!(account.refused * 100 <= account.accepted, "{account:?}");
    }
}

/// For three seconds nobody knows that half of the workers are gone.
#[test]
fn the_loss_of_half_the_workers_costs_a_few() {
    for slots in [4, 16] {
        for account in under(10.0, |plan| Plan {
            slots,
            slots_lost: slots / 2,
            ..plan
        }) {
            assert_kept(&account, 0.03, 0.9);
        }
    }
}

/// Something else on the machine takes the CPU, and all at once everything takes three times as
/// long.
#[test]
fn a_machine_that_stalls_now_and_then_costs_a_few() {
    for slots in [4, 16] {
        let stalls = |plan| Plan {
            slots,
            stall: 3.0,
            ..plan
        };
        for account in under(10.0, stalls) {
            assert_kept(&account, 0.01, 0.9);
        }
    }
}

#[test]
fn several_apis_share_the_workers() {
    for apis in [2, 4] {
        for account in under(10.0, |plan| Plan {
            slots: 16,
            apis,
            ..plan
        }) {
            // In the first second none knows of the others.
            assert_kept(&account, 0.04, 0.9);
        }
        for account in under(1.2, |plan| Plan {
            slots: 16,
            apis,
            ..plan
        }) {
            assert_kept(&account, 0.001, 0.9);
        }
    }
}

/// One caller sends ten times what can be done, twenty others a tenth of it.
#[test]
fn a_flood_of_one_caller_neither_delays_nor_refuses_the_others() {
    for (slots, apis, flood_rooms) in [(4, 1, 1), (4, 1, 255), (16, 1, 255), (16, 2, 255)] {
        for seed in SEEDS {
            let rate = 10.0 * slots as f64 / 0.1;
            let flood = Plan {
                rooms: 21,
                flood_rooms,
                flood: 0.99,
                slots,
                apis,
                rate,
                service: short,
                ..plan(seed)
            };
            let account = simulate(flood);
            assert_kept(&account, 0.002, 0.7);
            let others = account.others;
            assert!(others.accepted > 300, "{account:?}");
            assert!(others.refused * 1_000 <= others.accepted, "{account:?}");
            assert!(
                others.missed == 0 && others.longest_wait < 0.5,
                "{account:?}"
            );
        }
    }
}

/// Many rooms at ten times the capacity together: every accepted job is done in time.
#[test]
fn many_rooms_at_once_are_refused_like_one() {
    for rooms in [2, 50, 5_000] {
        for account in under(10.0, |plan| Plan {
            rooms,
            flood: 0.3,
            ..plan
        }) {
            assert_kept(&account, 0.01, 0.85);
        }
    }
}

#[test]
fn an_idle_system_takes_a_burst() {
    for seed in SEEDS {
        for (slots, taken) in [(4, 20), (16, 80)] {
            let burst = |service| {
                simulate(Plan {
                    slots,
                    service,
                    burst: 200,
                    seconds: 20,
                    ..plan(seed)
                })
            };
            let quick = burst(short);
            assert!(quick.accepted >= taken && quick.missed == 0, "{quick:?}");
            // Nobody could know how long these take.
            let slow = burst(mixed);
            assert!(slow.missed * 4 <= slow.accepted, "{slow:?}");
        }
    }
}

/// Checks the next job of one room.
fn check(model: &mut Model, now: Instant, left: Duration) -> Result<(), Refused> {
    let before = model.in_flight();
    model.check(now, left, before)
}

/// A model that has three slots and has been busy for a while with jobs of half a second.
fn busy(start: Instant) -> (Model, Instant) {
    let mut model = Model::new(start);
    let supply = Supply {
        slots: 3.0,
        service: Some(Duration::from_millis(500)),
        everywhere: 6.0,
    };
    model.supplied(start, Some(supply));
    for _ in 0..6 {
        model.entered(start);
    }
    model.queued(start, 6);
    let mut now = start;
    goes_on(&mut model, &mut now);
    (model, now)
}

/// Passes half a minute in which each job that leaves makes room for one that enters.
fn goes_on(model: &mut Model, now: &mut Instant) {
    for _ in 0..60 {
        *now += Duration::from_millis(500);
        for _ in 0..3 {
            model.left(*now, Some(Duration::from_millis(500)));
            model.entered(*now);
        }
    }
}

#[test]
fn refused_callers_come_back_one_with_each_departure() {
    let (mut model, mut now) = busy(Instant::now());
    while check(&mut model, now, BUDGET).is_ok() {
        model.entered(now);
    }
    let waits: Vec<f64> = (0..300)
        .filter_map(|_| check(&mut model, now, BUDGET).err())
        .map(|refused| refused.retry_after.as_secs_f64())
        .collect();
    assert_eq!(waits.len(), 300);
    assert_eq!(waits[0], 1.0, "there is room very soon");
    // Six jobs a second.
    assert!((waits[120] - 20.0).abs() < 1.5, "{}", waits[120]);
    assert_eq!(waits[299], 30.0);
    // A promise no longer counts once its time has passed.
    goes_on(&mut model, &mut now);
    while check(&mut model, now, BUDGET).is_ok() {
        model.entered(now);
    }
    let again = check(&mut model, now, BUDGET).unwrap_err();
    assert_eq!(again.retry_after, *RETRY.start());
}

#[test]
fn a_free_slot_is_never_refused_and_no_worker_is_no_reason() {
    let (mut model, now) = busy(Instant::now());
    for _ in 0..4 {
        model.left(now, None);
    }
    model.queued(now, 2);
    assert_eq!(check(&mut model, now, Duration::ZERO), Ok(()));
    model.entered(now);
    assert!(check(&mut model, now, Duration::ZERO).is_err());
    // Whether there is a worker is for the queue to report.
    model.supplied(now, None);
    assert_eq!(check(&mut model, now, Duration::ZERO), Ok(()));
    assert!(RETRY.contains(&model.refuse_anyway(now).retry_after));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Enters,
    Leaves(Option<u64>),
    Passes(u64),
    Says(Option<(u16, Option<u64>, u32)>),
}

fn step() -> impl Strategy<Value = Step> {
    let said = (
        1..2_000_u16,
        proptest::option::of(0..9_000_u64),
        0..20_000_u32,
    );
    prop_oneof![
        Just(Step::Enters),
        proptest::option::of(0..9_000_u64).prop_map(Step::Leaves),
        (0..100_000_u64).prop_map(Step::Passes),
        proptest::option::of(said).prop_map(Step::Says),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The model always answers within the contract's bounds, and accepts more readily the more
    /// time there is.
    #[test]
    fn it_always_answers(steps in proptest::collection::vec(step(), 0..200), left in 0..6_000_u64) {
        let mut now = Instant::now();
        let mut model = Model::new(now);
        for step in steps {
            match step {
                Step::Enters => model.entered(now),
                Step::Leaves(served) => model.left(now, served.map(Duration::from_millis)),
                Step::Passes(millis) => now += Duration::from_millis(millis),
                Step::Says(said) => {
                    let supply = said.map(|(slots, service, everywhere)| Supply {
                        slots: f64::from(slots),
                        service: service.map(Duration::from_millis),
                        everywhere: f64::from(everywhere),
                    });
                    model.supplied(now, supply);
                }
            }
            let left = Duration::from_millis(left);
            match check(&mut model, now, left) {
                Ok(()) => prop_assert!(check(&mut model, now, left * 2).is_ok()),
                Err(refused) => prop_assert!(RETRY.contains(&refused.retry_after)),
            }
            prop_assert!(RETRY.contains(&model.refuse_anyway(now).retry_after));
        }
    }
}
