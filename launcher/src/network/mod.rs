//! Network namespaces of sandboxes: recycled by audit, or fresh for each.
//!
//! Making and destroying a namespace takes the kernel 1.4 ms, as much as the rest of a sandbox. So one
//! in which a sandbox has left no trace serves another. It rests first, since some traces come late, and
//! is then compared with what it was when it was new; `audit` has the list. A sandbox that sent a packet,
//! even to itself, or left anything else, has its namespace dropped.

mod audit;
mod error;
mod namespace;
mod retirement;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use error::Error;
use namespace::Station;
pub use namespace::{Namespace, bring_up_loopback};
use retirement::Finding;

/// The time between a sandbox's end and the audit of its namespace. Multicast reports (IGMP and MLD) are
/// sent two to three ticks after their cause, which is 30 ms where a second has 100.
const REST: Duration = Duration::from_millis(250);

/// The most namespaces that rest or wait. With [`REST`] they serve 256 sandboxes a second; above that,
/// namespaces are made.
const MAX_KEPT: usize = 64;

/// The way in which sandboxes get their network namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From those before them that left no trace.
    Recycled,
    /// Each makes its own.
    Fresh,
}

/// The numbers of namespaces so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Made.
    pub made: u64,
    /// Found as new, and used again.
    pub kept: u64,
    /// Dropped because a sandbox left a trace.
    pub used: u64,
    /// Dropped because they had served often or long enough, or because there were too many.
    pub worn: u64,
}

/// The network namespaces of a template's sandboxes.
#[derive(Debug)]
pub struct Network {
    /// `None` for fresh ones.
    station: Option<Station>,
    /// As new.
    ready: VecDeque<Namespace>,
    /// Used, in the order of their sandboxes' ends.
    resting: VecDeque<(Instant, Namespace)>,
    /// Those dropped and not replaced yet.
    owed: usize,
    tally: Tally,
}

impl Network {
    /// Prepares namespaces, the first one at once if they are recycled.
    ///
    /// `/proc` must be mounted; a descriptor of it is kept, so it may be unmounted later. The thread must
    /// have CAP_SYS_ADMIN over the network namespace that it is in, since it returns there after each look
    /// into another one: without root, unshare one first. It must stay in there.
    ///
    /// # Errors
    ///
    /// If a namespace cannot be made. After [`Error::Stranded`] the process must end, here and below.
    pub fn new(mode: Mode) -> Result<Self, Error> {
        let mut network = Self {
            station: None,
            ready: VecDeque::new(),
            resting: VecDeque::new(),
            owed: 0,
            tally: Tally::default(),
        };
        if mode == Mode::Recycled {
            let station = Station::open()?;
            network.ready.push_back(station.make()?);
            network.station = Some(station);
            network.tally.made += 1;
        }
        Ok(network)
    }

    /// Takes a namespace for a sandbox. It is given back, or dropped. `None` means that the sandbox makes
    /// its own (`CLONE_NEWNET`, then [`bring_up_loopback`]).
    ///
    /// # Errors
    ///
    /// As [`Network::new`], if none is ready.
    pub fn take(&mut self) -> Result<Option<Namespace>, Error> {
        while self.ready.is_empty() && self.audit_next()? {}
        let Some(station) = &self.station else {
            return Ok(None);
        };
        if let Some(namespace) = self.ready.pop_front() {
            return Ok(Some(namespace));
        }
        self.tally.made += 1;
        self.owed = self.owed.saturating_sub(1);
        station.make().map(Some)
    }

    /// Takes a namespace back, after the last process in it has ended. It rests before it is audited.
    pub fn give_back(&mut self, mut namespace: Namespace) {
        namespace.uses += 1;
        if self.ready.len() + self.resting.len() < MAX_KEPT {
            self.resting.push_back((Instant::now(), namespace));
        } else {
            self.tally.worn += 1;
        }
    }

    /// Audits one namespace that has rested, or replaces one that was dropped: the work that [`take`] would
    /// have to do otherwise. It takes up to 1 ms, so call it when no sandbox waits. Returns the moment at
    /// which to call it again.
    ///
    /// # Errors
    ///
    /// As [`Network::new`].
    ///
    /// [`take`]: Self::take
    pub fn tend(&mut self) -> Result<Option<Instant>, Error> {
        if !self.audit_next()? && self.owed > 0 {
            self.owed -= 1;
            if let Some(station) = &self.station {
                self.ready.push_back(station.make()?);
                self.tally.made += 1;
            }
        }
        let now = (self.owed > 0).then(Instant::now);
        let rested = self.resting.front().map(|(since, _)| *since + REST);
        Ok(now.or(rested))
    }

    /// Returns the numbers of namespaces so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Audits the namespace that has rested longest. Returns `false` if none has rested enough.
    fn audit_next(&mut self) -> Result<bool, Error> {
        let Some(station) = &self.station else {
            return Ok(false);
        };
        let rested = |(since, _): &(Instant, Namespace)| since.elapsed() >= REST;
        if !self.resting.front().is_some_and(rested) {
            return Ok(false);
        }
        let Some((_, namespace)) = self.resting.pop_front() else {
            return Ok(false);
        };
        let as_new = station.is_as_new(&namespace)?;
        match retirement::finding(as_new, namespace.uses, namespace.made.elapsed()) {
            Finding::Kept => {
                self.tally.kept += 1;
                self.ready.push_back(namespace);
                return Ok(true);
            }
            Finding::Used => self.tally.used += 1,
            Finding::Worn => self.tally.worn += 1,
        }
        self.owed += 1;
        Ok(true)
    }
}
