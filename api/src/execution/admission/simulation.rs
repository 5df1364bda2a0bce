//! Simulation of workers, a queue and APIs, deterministic and in virtual time.
//!
//! Arrivals are Poisson's, the service has any distribution, and the queue is first come first
//! served.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use warren_protocol::ids::CallerTag;

use super::fair_queue::{FairQueue, Owner, Position};
use super::model::{LONGEST_RUN, Model, RETRY};
use super::supply::Supply;
use super::window::{Company, Window};

/// The time that a caller has by default (`WARREN_WAIT_MS`), less the reserves.
pub(super) const BUDGET: Duration = Duration::from_millis(4_725);
/// How often workers announce themselves and the queue's length is seen.
const NEWS_US: u64 = 1_000_000;

/// The time by which jobs that were admitted without any knowledge are over.
const UNTIL_KNOWN_US: u64 = 10_000_000;

/// The interval between two stalls of a machine.
const STALL_PERIOD_US: u64 = 20_000_000;

/// A scenario to simulate.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) apis: usize,
    /// The number of rooms, each of a caller of its own. The first caller sends the part `flood` of
    /// all jobs.
    pub(super) rooms: usize,
    /// From how many rooms the first caller sends them.
    pub(super) flood_rooms: usize,
    pub(super) flood: f64,
    pub(super) slots: usize,
    /// Arrivals per second.
    pub(super) rate: f64,
    /// The number of jobs that arrive at once at the start.
    pub(super) burst: usize,
    pub(super) seconds: u64,
    /// The number of slots that are lost from the middle on, which APIs learn three seconds later.
    pub(super) slots_lost: usize,
    /// The factor by which everything slows down for five of every twenty seconds.
    pub(super) stall: f64,
    /// The time that a job takes, as a function of a number between 0 and 1.
    pub(super) service: fn(f64) -> f64,
    /// The service time that workers announce before they have measured anything.
    pub(super) announced: Option<Duration>,
}

/// The result of a simulation.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) missed: u64,
    /// Missed jobs of the first seconds, before it was known how long jobs take.
    pub(super) missed_at_first: u64,
    /// The jobs of all rooms but the first.
    pub(super) others: Others,
    /// The part of the slots' time that went to jobs that were done in time.
    pub(super) use_of_slots: f64,
}

/// The jobs of rooms that send few; the longest wait is in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) missed: u64,
    pub(super) longest_wait: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives,
    Ends { job: usize },
    GivesUp { job: usize },
    News,
    SlotsGo,
    SlotsAreMissed,
}

struct Job {
    api: usize,
    room: usize,
    owner: Owner,
    position: Position,
    arrived: u64,
    service: u64,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Waits,
    Runs,
    Gone,
}

struct World {
    plan: Plan,
    random: fastrand::Rng,
    start: Instant,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    number: u64,
    jobs: Vec<Job>,
    queue: VecDeque<usize>,
    running: usize,
    slots: usize,
    announced_slots: usize,
    mean: Option<f64>,
    models: Vec<Model>,
    orders: Vec<FairQueue<usize>>,
    account: Account,
    useful: u64,
    offered: u64,
}

/// Runs a simulation to its end.
pub(super) fn simulate(plan: Plan) -> Account {
    let start = Instant::now();
    let world = World {
        random: fastrand::Rng::with_seed(plan.seed),
        start,
        now: 0,
        events: BinaryHeap::new(),
        number: 0,
        jobs: Vec::new(),
        queue: VecDeque::new(),
        running: 0,
        slots: plan.slots,
        announced_slots: plan.slots,
        mean: plan.announced.map(|mean| mean.as_secs_f64()),
        models: (0..plan.apis).map(|_| Model::new(start)).collect(),
        orders: (0..plan.apis).map(|_| FairQueue::default()).collect(),
        account: Account::default(),
        useful: 0,
        offered: 0,
        plan,
    };
    world.run()
}

impl World {
    fn run(mut self) -> Account {
        let end = self.plan.seconds * 1_000_000;
        self.news();
        for _ in 0..self.plan.burst {
            self.arrives();
        }
        if self.plan.rate > 0.0 {
            self.next_arrival();
        }
        if self.plan.slots_lost > 0 {
            self.at(end / 2, Event::SlotsGo);
            self.at(end / 2 + 3_000_000, Event::SlotsAreMissed);
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at > end {
                break;
            }
            self.offered += (at - self.now) * self.slots as u64;
            self.now = at;
            match event {
                Event::Arrives => {
                    self.next_arrival();
                    self.arrives();
                }
                Event::Ends { job } => self.ends(job),
                Event::GivesUp { job } => self.gives_up(job),
                Event::News => self.news(),
                Event::SlotsGo => self.slots -= self.plan.slots_lost,
                Event::SlotsAreMissed => self.announced_slots = self.slots,
            }
        }
        self.account.use_of_slots = self.useful as f64 / self.offered as f64;
        self.account
    }

    fn at(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.events.push(Reverse((at, self.number, event)));
    }

    fn clock(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    fn next_arrival(&mut self) {
        let gap = -(1.0 - self.random.f64()).ln() / self.plan.rate;
        let at = self.now + micros(gap);
        self.at(at, Event::Arrives);
    }

    fn arrives(&mut self) {
        let (api, clock) = (self.random.usize(..self.plan.apis), self.clock());
        let mut seconds = (self.plan.service)(self.random.f64());
        if self.now % STALL_PERIOD_US > STALL_PERIOD_US / 4 * 3 {
            seconds = (seconds * self.plan.stall).min(LONGEST_RUN.as_secs_f64());
        }
        let service = micros(seconds);
        let room = if self.plan.rooms > 1 && self.random.f64() >= self.plan.flood {
            self.random.usize(1..self.plan.rooms)
        } else {
            0
        };
        let others = u64::from(room > 0);
        let own = match room {
            0 => self.random.usize(..self.plan.flood_rooms),
            _ => 0,
        };
        let owner = Owner {
            caller: CallerTag::new((room as u128).to_be_bytes()),
            room: own.to_string(),
        };
        let before = self.orders[api].ahead_of(&owner);
        if let Err(refused) = self.models[api].check(clock, BUDGET, before) {
            assert!(RETRY.contains(&refused.retry_after), "{refused:?}");
            self.account.refused += 1;
            self.account.others.refused += others;
            return;
        }
        self.account.others.accepted += others;
        self.models[api].entered(clock);
        self.account.accepted += 1;
        let job = self.jobs.len();
        let position = self.orders[api].wait(&owner, job);
        self.jobs.push(Job {
            api,
            room,
            owner,
            position,
            arrived: self.now,
            service,
            state: State::Waits,
        });
        let deadline = self.now + whole_micros(BUDGET);
        self.at(deadline, Event::GivesUp { job });
        self.serve();
    }

    /// Lets each API send what its window has room for.
    fn send(&mut self) {
        let supply = self.offered_slots();
        let company = Company {
            callers: self.plan.rooms > 1,
            rooms: self.plan.rooms > 1,
        };
        let window = Window::of(Some(supply), company);
        for (fair_queue, model) in self.orders.iter_mut().zip(&mut self.models) {
            while let Some(job) = fair_queue.send(window) {
                self.queue.push_back(job);
            }
            model.queued(
                self.start + Duration::from_micros(self.now),
                fair_queue.sent(),
            );
        }
    }

    fn leaves(&mut self, job: usize) {
        let Job {
            api,
            owner,
            position,
            ..
        } = &self.jobs[job];
        self.orders[*api].leave(owner, *position);
    }

    fn serve(&mut self) {
        self.send();
        while self.running < self.slots
            && let Some(job) = self.queue.pop_front()
        {
            if self.jobs[job].state == State::Waits {
                self.jobs[job].state = State::Runs;
                self.running += 1;
                if self.jobs[job].room > 0 {
                    let waited = Duration::from_micros(self.now - self.jobs[job].arrived);
                    let longest = &mut self.account.others.longest_wait;
                    *longest = longest.max(waited.as_secs_f64());
                }
                let ends = self.now + self.jobs[job].service;
                self.at(ends, Event::Ends { job });
            }
        }
    }

    fn ends(&mut self, job: usize) {
        if self.jobs[job].state != State::Runs {
            return;
        }
        self.jobs[job].state = State::Gone;
        self.running -= 1;
        let (api, service) = (self.jobs[job].api, self.jobs[job].service);
        let seconds = Duration::from_micros(service).as_secs_f64();
        let mean = self.mean.unwrap_or(seconds);
        self.mean = Some(mean + (seconds - mean) / 16.0);
        self.useful += service;
        let clock = self.clock();
        self.models[api].left(clock, Some(Duration::from_micros(service)));
        self.leaves(job);
        self.serve();
    }

    /// Ends a job at its deadline: a worker stops it if it runs, and otherwise it never begins.
    fn gives_up(&mut self, job: usize) {
        if self.jobs[job].state == State::Gone {
            return;
        }
        if self.jobs[job].state == State::Runs {
            self.running -= 1;
        }
        self.jobs[job].state = State::Gone;
        assert!(self.now >= self.jobs[job].arrived);
        self.account.missed += 1;
        self.account.missed_at_first += u64::from(self.now < UNTIL_KNOWN_US);
        let clock = self.clock();
        self.models[self.jobs[job].api].left(clock, None);
        self.leaves(job);
        self.account.others.missed += u64::from(self.jobs[job].room > 0);
        self.serve();
    }

    fn news(&mut self) {
        let (supply, clock) = (self.supply(), self.clock());
        for model in &mut self.models {
            model.supplied(clock, Some(supply));
        }
        self.at(self.now + NEWS_US, Event::News);
        self.serve();
    }

    fn supply(&self) -> Supply {
        let waiting = self
            .queue
            .iter()
            .filter(|job| self.jobs[**job].state == State::Waits);
        Supply {
            everywhere: (waiting.count() + self.running) as f64,
            ..self.offered_slots()
        }
    }

    /// Returns the supply without the number of jobs everywhere, which takes long to count.
    fn offered_slots(&self) -> Supply {
        Supply {
            slots: self.announced_slots as f64,
            service: self.mean.map(Duration::from_secs_f64),
            everywhere: 0.0,
        }
    }
}

fn micros(seconds: f64) -> u64 {
    whole_micros(Duration::from_secs_f64(seconds))
}

fn whole_micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
