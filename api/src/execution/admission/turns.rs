//! Turns of those who wait: one job of each before the second of any. Pure.
//!
//! Start-time fair queueing with jobs of equal size: whoever waits has its next turn in a round, and
//! rounds are served one after the other, each first come, first served. A newcomer has a turn in
//! the round after the one that is served now.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A turn: its round, and its number among all that were ever given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    round: u64,
    number: u64,
}

/// The order of the turns of some members: callers, or the rooms of one caller.
#[derive(Debug)]
pub(super) struct Turns<K> {
    members: HashMap<K, Member>,
    /// The next turn of each member with jobs that wait.
    order: BTreeMap<Turn, K>,
    round: u64,
    number: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Member {
    /// Its next turn while jobs of it wait, else its last one.
    turn: Turn,
    waiting: u32,
    sent: u32,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            members: HashMap::new(),
            order: BTreeMap::new(),
            round: 0,
            number: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Adds a job that waits.
    pub(super) fn wait(&mut self, key: &K) {
        let round = self.first_round(key);
        let member = self.members.entry(key.clone()).or_default();
        member.waiting += 1;
        if member.waiting == 1 {
            self.number += 1;
            let number = self.number;
            member.turn = Turn { round, number };
            self.order.insert(member.turn, key.clone());
        }
    }

    /// Notes that a job of this member was sent, which takes its turn.
    pub(super) fn send(&mut self, key: &K) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        self.order.remove(&member.turn);
        self.round = self.round.max(member.turn.round);
        member.waiting = member.waiting.saturating_sub(1);
        member.sent += 1;
        if member.waiting > 0 {
            self.number += 1;
            let round = member.turn.round.max(self.round) + 1;
            let number = self.number;
            member.turn = Turn { round, number };
            self.order.insert(member.turn, key.clone());
        }
    }

    /// Removes a job that waited. Its member keeps its turn for the next.
    pub(super) fn withdraw(&mut self, key: &K) {
        if let Some(member) = self.members.get_mut(key) {
            member.waiting = member.waiting.saturating_sub(1);
            if member.waiting == 0 {
                self.order.remove(&member.turn);
            }
            self.forget_if_gone(key);
        }
    }

    /// Removes a job that was sent.
    pub(super) fn end(&mut self, key: &K) {
        if let Some(member) = self.members.get_mut(key) {
            member.sent = member.sent.saturating_sub(1);
            self.forget_if_gone(key);
        }
    }

    /// Returns how many waiting jobs of other members may go before the job of this member that
    /// has `own` of its member's jobs before it.
    pub(super) fn ahead_of(&self, key: &K, own: u32) -> u32 {
        let round = self.first_round(key) + u64::from(own);
        let others = self.members.iter().filter(|(other, _)| *other != key);
        let ahead = others.map(|(_, other)| {
            let rounds = (round + 1).saturating_sub(other.turn.round);
            other.waiting.min(u32::try_from(rounds).unwrap_or(u32::MAX))
        });
        ahead.fold(0, u32::saturating_add)
    }

    /// Iterates over the members with jobs that wait, by turn, with the number of jobs that each
    /// has sent.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&K, u32)> {
        let sent = |key: &K| self.members.get(key).map_or(0, |member| member.sent);
        self.order.values().map(move |key| (key, sent(key)))
    }

    /// Returns the number of jobs of this member that wait.
    pub(super) fn waiting(&self, key: &K) -> u32 {
        self.members.get(key).map_or(0, |member| member.waiting)
    }

    /// Returns whether there are no members.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the round of the member's next turn.
    fn first_round(&self, key: &K) -> u64 {
        match self.members.get(key) {
            Some(member) if member.waiting > 0 => member.turn.round,
            Some(member) => self.round.max(member.turn.round) + 1,
            None => self.round + 1,
        }
    }

    fn forget_if_gone(&mut self, key: &K) {
        let is_gone = |member: &Member| member.waiting + member.sent == 0;
        if self.members.get(key).is_some_and(is_gone) {
            self.members.remove(key);
        }
    }
}
