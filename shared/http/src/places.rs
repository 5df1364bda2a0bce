//! Places for connections: bounded in all and by peer, the idlest given up first.
//!
//! The one accept loop takes places. Whoever comes first would otherwise keep everybody else out: 2,048
//! sockets that send nothing cost a peer nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;

/// The part of the places that one peer may have: one in so many. nsjail (`--max_conns_per_ip`) and
/// nginx (`limit_conn`) leave the number to operators; with a quarter, it takes four peers to fill a
/// server.
const PEERS_AT_LEAST: usize = 4;

/// How many connections a server did not keep, by reason.
#[derive(Clone, Debug, Default)]
pub struct ConnectionCounts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    refused: AtomicU64,
    idle: AtomicU64,
    slow: AtomicU64,
}

impl ConnectionCounts {
    /// Returns how many connections were not kept so far, by reason: `peer_limit` (refused, because
    /// its peer has as many busy ones as it may), `idle` (ended, because another needed the place),
    /// `slow` (cut, because its peer took its answer too slowly).
    #[must_use]
    pub fn read(&self) -> [(&'static str, u64); 3] {
        let Counters {
            refused,
            idle,
            slow,
        } = &*self.0;
        [("peer_limit", refused), ("idle", idle), ("slow", slow)]
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    pub(crate) fn cut_slow(&self) {
        self.0.slow.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether the places of a peer are bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// To a quarter of all.
    Quarter,
    /// Not at all: behind a trusted proxy there are many.
    All,
}

/// The places of one server.
#[derive(Clone)]
pub(crate) struct Places(Arc<Inner>);

struct Inner {
    most: usize,
    taken: Mutex<Taken>,
    counts: ConnectionCounts,
    /// Notified when a place becomes free or idle.
    changed: Notify,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Seat>>,
    of_peer: HashMap<Peer, usize>,
}

/// What is known of one connection.
struct Seat {
    peer: Peer,
    activity: Mutex<Activity>,
    end: CancellationToken,
}

struct Activity {
    /// The requests that are not answered to the end.
    requests: usize,
    /// Whether bytes wait for the peer to take some.
    is_stuck: bool,
    /// Since when there is nothing to do.
    idle_since: Instant,
}

/// A place of one connection. Dropping it gives the place back.
pub(crate) struct Place {
    seat: Arc<Seat>,
    id: u64,
    places: Arc<Inner>,
}

/// The handle by which a connection tells that it is busy.
#[derive(Clone)]
pub(crate) struct Busy {
    seat: Arc<Seat>,
    places: Arc<Inner>,
}

/// A request on a connection; ends when it is dropped.
pub(crate) struct RequestUnderWay(Busy);

/// What can be done for a connection that has just been accepted.
enum Step {
    Taken(Place),
    Refused,
    Wait,
}

impl Places {
    pub(crate) fn new(most: usize, counts: ConnectionCounts) -> Self {
        Self(Arc::new(Inner {
            most,
            taken: Mutex::default(),
            counts,
            changed: Notify::new(),
        }))
    }

    /// Takes a place for a connection of this peer. If the peer has its share, or nothing is left, the
    /// connection that has been longest without a request is ended for it: of the peer's own, or of
    /// all. If all of those are busy, it is refused (`None`), or waits. Only one caller at a time may
    /// wait here.
    pub(crate) async fn take(&self, peer: Peer, share: Share) -> Option<Place> {
        loop {
            match self.step(peer, share) {
                Step::Taken(place) => return Some(place),
                Step::Refused => return None,
                Step::Wait => self.0.changed.notified().await,
            }
        }
    }

    fn step(&self, peer: Peer, share: Share) -> Step {
        let mut taken = self.0.taken();
        let own = taken.of_peer.get(&peer).copied().unwrap_or(0);
        let has_share = share == Share::Quarter && own >= self.0.share();
        if !has_share && taken.seats.len() < self.0.most {
            return Step::Taken(self.sit(&mut taken, peer));
        }
        let of_whom = |seat: &Seat| !has_share || seat.peer == peer;
        if self.0.end_idlest(&taken, of_whom) || !has_share {
            return Step::Wait;
        }
        // It does not wait, because others wait behind it.
        self.0.counts.0.refused.fetch_add(1, Ordering::Relaxed);
        Step::Refused
    }

    /// Ends the connection that has been longest without a request. For a process that is short of
    /// descriptors before it is short of places.
    pub(crate) fn end_idlest(&self) {
        self.0.end_idlest(&self.0.taken(), |_seat| true);
    }

    fn sit(&self, taken: &mut Taken, peer: Peer) -> Place {
        let seat = Arc::new(Seat {
            peer,
            activity: Mutex::new(Activity {
                requests: 0,
                is_stuck: false,
                idle_since: Instant::now(),
            }),
            end: CancellationToken::new(),
        });
        let id = taken.next;
        taken.next += 1;
        taken.seats.insert(id, Arc::clone(&seat));
        *taken.of_peer.entry(peer).or_default() += 1;
        Place {
            seat,
            id,
            places: Arc::clone(&self.0),
        }
    }
}

impl Inner {
    /// Ends the connection of these that has been longest without a request; one at a time. Returns
    /// whether there is one.
    fn end_idlest(&self, taken: &Taken, of_whom: impl Fn(&Seat) -> bool) -> bool {
        let seats = || taken.seats.values().filter(|seat| of_whom(seat));
        if seats().any(|seat| seat.end.is_cancelled()) {
            return true;
        }
        let idle = seats().filter_map(|seat| Some((seat.idle_since()?, seat)));
        let Some((_since, seat)) = idle.min_by_key(|(since, _)| *since) else {
            return false;
        };
        seat.end.cancel();
        self.counts.0.idle.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn share(&self) -> usize {
        self.most.div_ceil(PEERS_AT_LEAST)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle_since(&self) -> Option<Instant> {
        let activity = self.activity();
        (activity.requests == 0 && !activity.is_stuck).then_some(activity.idle_since)
    }
}

impl Place {
    /// Waits until the place is needed for another connection.
    pub(crate) async fn needed(&self) {
        self.seat.end.cancelled().await;
    }

    pub(crate) fn busy(&self) -> Busy {
        Busy {
            seat: Arc::clone(&self.seat),
            places: Arc::clone(&self.places),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.seats.remove(&self.id);
        if let Some(count) = taken.of_peer.get_mut(&self.seat.peer) {
            *count -= 1;
            if *count == 0 {
                taken.of_peer.remove(&self.seat.peer);
            }
        }
        drop(taken);
        self.places.changed.notify_one();
    }
}

impl Busy {
    /// Notes that a request has come.
    pub(crate) fn request(&self) -> RequestUnderWay {
        self.seat.activity().requests += 1;
        RequestUnderWay(self.clone())
    }

    /// Notes whether bytes wait for the peer to take some.
    pub(crate) fn is_stuck(&self, is_stuck: bool) {
        self.note(|activity| activity.is_stuck = is_stuck);
    }

    fn note(&self, change: impl FnOnce(&mut Activity)) {
        let mut activity = self.seat.activity();
        change(&mut activity);
        activity.idle_since = Instant::now();
        drop(activity);
        self.places.changed.notify_one();
    }
}

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        self.0.note(|activity| activity.requests -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::task::Poll;

    use futures_util::FutureExt;

    use super::*;

    fn peer(number: u8) -> Peer {
        IpAddr::from([192, 0, 2, number]).into()
    }

    fn places(most: usize) -> Places {
        Places::new(most, ConnectionCounts::default())
    }

    async fn take(places: &Places, number: u8) -> Place {
        let place = places.take(peer(number), Share::Quarter).await;
        place.expect("a place")
    }

    #[tokio::test]
    async fn a_peer_gets_a_quarter_and_then_its_own_idlest() {
        let places = places(16);
        let mut own = Vec::new();
        for _ in 0..4 {
            own.push(take(&places, 1).await);
        }
        let busy = own[0].busy().request();
        let mut next = std::pin::pin!(places.take(peer(1), Share::Quarter));
        assert!(next.as_mut().now_or_never().is_none());
        let needed = |place: &Place| place.needed().now_or_never().is_some();
        let ended: Vec<_> = own.iter().map(needed).collect();
        assert_eq!(ended, [false, true, false, false], "the first is busy");
        drop(own.remove(1));
        own.push(next.await.expect("its place"));
        let all_busy: Vec<_> = own.iter().map(|place| place.busy().request()).collect();
        assert!(places.take(peer(1), Share::Quarter).await.is_none());
        assert!(places.take(peer(1), Share::All).await.is_some(), "a proxy");
        assert!(places.take(peer(2), Share::Quarter).await.is_some());
        drop((busy, all_busy));
        assert_eq!(
            places.0.counts.read(),
            [("peer_limit", 1), ("idle", 1), ("slow", 0)]
        );
    }

    #[tokio::test]
    async fn when_all_are_taken_the_longest_idle_goes_and_busy_ones_are_waited_for() {
        let places = places(4);
        let mut held = Vec::new();
        for number in 0..4 {
            held.push(take(&places, number).await);
        }
        let requests: Vec<_> = held.iter().map(|place| place.busy().request()).collect();
        held[3].busy().is_stuck(true);
        let mut next = std::pin::pin!(places.take(peer(9), Share::Quarter));
        assert_eq!(futures_util::poll!(next.as_mut()).map(drop), Poll::Pending);
        // The last is answered, but its peer has not taken it.
        drop(requests);
        assert_eq!(futures_util::poll!(next.as_mut()).map(drop), Poll::Pending);
        let ended = held.iter().position(|place| place.seat.end.is_cancelled());
        assert_eq!(ended, Some(0));
        // Looking again ends no second one.
        held[2].busy().is_stuck(false);
        assert_eq!(futures_util::poll!(next.as_mut()).map(drop), Poll::Pending);
        assert_eq!(
            held.iter()
                .filter(|place| place.seat.end.is_cancelled())
                .count(),
            1
        );
        drop(held.remove(0));
        assert!(next.await.is_some());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_peer_that_has_gone() {
        let places = places(8);
        drop((take(&places, 1).await, take(&places, 1).await));
        let taken = places.0.taken();
        assert!(taken.of_peer.is_empty() && taken.seats.is_empty());
    }
}
