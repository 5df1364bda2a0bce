//! Model that predicts whether a new job would finish in time. Pure.
//!
//! The clock is passed in. The model knows only what this API has seen of its own jobs. By Little's
//! law, a new job stays for the number of this API's own jobs in flight over the rate at which they
//! leave. That holds however many other APIs share the queue, and whatever else the workers do.

use std::time::{Duration, Instant};

use super::supply::Supply;

/// The time a program may take, after which nothing holds a slot much longer.
pub(super) const LONGEST_RUN: Duration = Duration::from_secs(3);
/// What a job needs beside its wait and its run: the way through broker and worker and back, and
/// its container.
const OVERHEAD: Duration = Duration::from_millis(250);
/// The margin added to a predicted wait, in standard deviations. Departures are roughly a Poisson
/// process, so the wait for `n` of them varies by the root of `n`.
const CAUTION: f64 = 3.0;
/// The memory of measured departures, in seconds in which all slots were taken. Idle time adds
/// nothing to it, and takes nothing from it.
const MEMORY_S: f64 = 8.0;
/// A shorter memory, for what changed just now. The lower of both rates counts, because a machine
/// that slows down has callers waiting already, and one that recovers has not.
const SHORT_MEMORY_S: f64 = 2.0;
/// Departures are counted once all slots were taken for this long. Until then parked containers
/// make workers faster than they can stay.
const SETTLED: Duration = Duration::from_secs(1);
/// The longest wait in an overload that lasts. A burst may use all the time there is. But a queue
/// that never empties does not make workers faster, however long it is, and the time that this
/// leaves is for a machine that slows down.
const LASTING_WAIT: Duration = Duration::from_millis(1_750);
/// The least time that a job is assumed to hold its slot until departures were counted, whatever
/// workers measured while they had little to do.
const SERVICE_FLOOR: Duration = Duration::from_millis(500);
/// The weight of the workers' own figures, in departures.
const PRIOR_JOBS: f64 = 4.0;
/// The time after which the longest run seen counts half.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// The assumed run time until a run was seen: short enough that an idle system on two cores accepts
/// twenty jobs at once.
const FIRST_RUN: Duration = Duration::from_millis(750);
/// The least assumed run time: any program may take this long.
const SHORTEST_RUN: Duration = Duration::from_millis(500);
/// The number of jobs over which their spread is measured.
const SPREAD_JOBS: f64 = 200.0;
/// The memory of the numbers of jobs here and everywhere, in seconds.
const SHARE_MEMORY_S: f64 = 2.0;
/// The part of all jobs from which on an API counts as alone. Less than 1, because the numbers are
/// of different moments.
const NEARLY_ALL: f64 = 0.75;

/// The range of `Retry-After` for refused callers, within the contract's bounds.
pub(super) const RETRY: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30);
/// `Retry-After` while the rate of departures is unknown.
const RETRY_UNKNOWN: Duration = Duration::from_secs(2);

/// A model of this API's jobs.
#[derive(Debug)]
pub(super) struct Model {
    at: Instant,
    supply: Option<Supply>,
    in_flight: u32,
    /// Jobs in flight that are with the queue or a worker; the others wait here for their turn.
    queued: u32,
    /// The time since which all slots are taken.
    saturated_since: Option<Instant>,
    drained: Drained,
    drained_lately: Drained,
    services: Moments,
    longest: (Duration, Instant),
    here: f64,
    everywhere: f64,
    /// The latest `Retry-After` of a refused caller. Each gets a departure of its own.
    promised: Instant,
}

/// The departures while all slots were taken, and the slot time that these took.
#[derive(Clone, Copy, Debug, Default)]
struct Drained {
    jobs: f64,
    slot_seconds: f64,
}

impl Drained {
    /// Accounts for a time in which that many slots were taken.
    fn pass(&mut self, seconds: f64, slots: f64, memory: f64) {
        let kept = (-seconds / memory).exp();
        self.jobs *= kept;
        self.slot_seconds = self.slot_seconds * kept + slots * seconds;
    }

    /// Returns the departures per slot and second. The rate `before` counts for a few of them.
    fn rate(self, before: f64) -> f64 {
        (self.jobs + PRIOR_JOBS) / (self.slot_seconds + PRIOR_JOBS / before)
    }
}

/// The distribution of how long jobs held their slots lately.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, service: Duration) {
        let (seconds, kept) = (service.as_secs_f64(), 1.0 - 1.0 / SPREAD_JOBS);
        self.weight = self.weight * kept + 1.0;
        self.sum = self.sum * kept + seconds;
        self.squares = self.squares * kept + seconds * seconds;
    }

    /// Returns the standard deviation in multiples of the mean.
    fn spread(self) -> f64 {
        let square = self.weight * self.squares / (self.sum * self.sum);
        if square.is_finite() {
            (square - 1.0).max(0.0).sqrt()
        } else {
            0.0
        }
    }
}

/// A refusal, with the time to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The time until whatever is in the way now will have been done.
    pub(crate) retry_after: Duration,
}

impl Model {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: now,
            supply: None,
            in_flight: 0,
            queued: 0,
            saturated_since: None,
            drained: Drained::default(),
            drained_lately: Drained::default(),
            services: Moments::default(),
            longest: (FIRST_RUN, now),
            here: 0.0,
            everywhere: 0.0,
            promised: now,
        }
    }

    /// Updates the workers' supply.
    pub(super) fn supplied(&mut self, now: Instant, supply: Option<Supply>) {
        self.advance(now);
        self.supply = supply;
        self.observe(now);
    }

    /// Checks whether a job may enter that must be answered within `left`, and that has `before` of
    /// this API's jobs ahead of it.
    pub(super) fn check(
        &mut self,
        now: Instant,
        left: Duration,
        before: u32,
    ) -> Result<(), Refused> {
        self.advance(now);
        let mut allowed = left.saturating_sub(OVERHEAD + self.run(now));
        if self.is_settled(now) {
            allowed = allowed.min(LASTING_WAIT);
        }
        match self.forecast(before) {
            Some(wait) if wait > allowed.as_secs_f64() => Err(self.refuse(now, allowed, before)),
            _ => Ok(()),
        }
    }

    /// Counts a job that enters.
    pub(super) fn entered(&mut self, now: Instant) {
        self.advance(now);
        self.in_flight += 1;
        self.observe(now);
    }

    /// Updates how many of the jobs in flight are with the queue or a worker.
    pub(super) fn queued(&mut self, now: Instant, queued: u32) {
        self.advance(now);
        self.queued = queued;
    }

    /// Counts a job that leaves, with how long a worker was busy with it, if one ran it.
    pub(super) fn left(&mut self, now: Instant, served: Option<Duration>) {
        self.advance(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(service) = served {
            if self.is_settled(now) {
                self.drained.jobs += 1.0;
                self.drained_lately.jobs += 1.0;
            }
            self.services.add(service);
            let service = service.min(LONGEST_RUN);
            if service > self.run(now) {
                self.longest = (service, now);
            }
        }
        self.observe(now);
    }

    /// Refuses a request that has no permit, whatever its wait would be, and says when to retry.
    pub(super) fn refuse_anyway(&mut self, now: Instant) -> Refused {
        self.advance(now);
        self.refuse(now, Duration::MAX, self.in_flight)
    }

    /// Predicts how long a new job would wait at most, in seconds and barring bad luck; `None`
    /// while the rate is unknown.
    pub(super) fn forecast(&self, before: u32) -> Option<f64> {
        let ahead = self.ahead(before)?;
        Some(if ahead <= 0.0 {
            0.0
        } else {
            (ahead + self.caution() * ahead.sqrt()) / self.rate()?
        })
    }

    fn refuse(&mut self, now: Instant, allowed: Duration, before: u32) -> Refused {
        let Some((rate, ahead)) = self.rate().zip(self.ahead(before)) else {
            return Refused {
                retry_after: RETRY_UNKNOWN,
            };
        };
        // How many jobs may be ahead of an accepted one: `forecast`, solved for `ahead`.
        let room = allowed.as_secs_f64() * rate;
        let caution = self.caution();
        let root = ((caution * caution + 4.0 * room).sqrt() - caution) / 2.0;
        let excess = (ahead - root * root).max(1.0);
        let until_room = Duration::from_secs_f64((excess / rate).min(RETRY.end().as_secs_f64()));
        // Each departure makes room for one job, so each refused caller gets a time of its own.
        let one = Duration::from_secs_f64((1.0 / rate).min(RETRY.end().as_secs_f64()));
        let next = (now + until_room).max(self.promised + one);
        self.promised = next.min(now + *RETRY.end());
        let retry_after = self.promised - now;
        Refused {
            retry_after: retry_after.max(*RETRY.start()),
        }
    }

    /// Estimates how many departures, of any API's jobs, a new job would wait for. The `before`
    /// jobs of this API ahead of it are known exactly, and stand for those of others.
    fn ahead(&self, before: u32) -> Option<f64> {
        let share = self.share()?;
        let own = f64::from(before) + 1.0 - share;
        Some(own * self.supply?.slots / share)
    }

    /// Returns the departures per second while all slots are taken.
    fn rate(&self) -> Option<f64> {
        let prior = self.supply?.service.unwrap_or_default().max(SERVICE_FLOOR);
        let known = self.drained.rate(1.0 / prior.as_secs_f64());
        let lately = self.drained_lately.rate(known);
        Some(self.supply?.slots * known.min(lately))
    }

    /// Returns how many of the slots are for this API's jobs, including the new one: as many as
    /// others leave free, or its proportional part, whichever is more.
    fn share(&self) -> Option<f64> {
        let slots = self.supply?.slots;
        let (here, everywhere) = (self.here + 1.0, self.everywhere.max(self.here) + 1.0);
        if here >= NEARLY_ALL * everywhere {
            return Some(slots);
        }
        let free = slots - (everywhere - here);
        Some(free.max(slots * here / everywhere))
    }

    /// Returns the margin in standard deviations of one departure. Jobs of very different lengths
    /// vary more than a Poisson process.
    fn caution(&self) -> f64 {
        CAUTION * self.services.spread().max(1.0)
    }

    /// Estimates the new job's own run time: the longest seen lately, which counts less as it gets
    /// older.
    fn run(&self, now: Instant) -> Duration {
        let (longest, seen) = self.longest;
        let age = now.saturating_duration_since(seen).as_secs_f64() / HALF_LIFE.as_secs_f64();
        longest.mul_f64((-age).exp2()).max(SHORTEST_RUN)
    }

    fn is_settled(&self, now: Instant) -> bool {
        self.saturated_since
            .is_some_and(|since| now.saturating_duration_since(since) >= SETTLED)
    }

    /// Accounts for the time since the last call.
    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let forget = (-passed / SHARE_MEMORY_S).exp();
        let follow = |average: f64, value: f64| value + (average - value) * forget;
        // Only jobs that other APIs can see, too.
        self.here = follow(self.here, f64::from(self.queued));
        let everywhere = self.supply.map_or(0.0, |supply| supply.everywhere);
        self.everywhere = follow(self.everywhere, everywhere);
        if self.is_settled(now)
            && let Some(share) = self.share()
        {
            self.drained.pass(passed, share, MEMORY_S);
            self.drained_lately.pass(passed, share, SHORT_MEMORY_S);
        }
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    fn observe(&mut self, now: Instant) {
        let saturated = self
            .share()
            .is_some_and(|share| f64::from(self.in_flight) >= share);
        self.saturated_since = match self.saturated_since {
            _ if !saturated => None,
            None => Some(now),
            since => since,
        };
    }
}
