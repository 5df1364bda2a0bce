//! Slots that were given until another job needs them, and requests to give them back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::terms::Terms;

/// The longest time for which a further run goes on while a caller's job waits for its slot. Most runs
/// end within it, and lose nothing. A longer one must not make a caller wait for its three seconds.
const PATIENCE: Duration = Duration::from_millis(200);

/// The slots that may be asked back, in the order in which they were given. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Returnable(Arc<Mutex<Vec<Given>>>);

/// A slot that may be asked back.
#[derive(Clone)]
pub(super) struct Given {
    terms: Terms,
    /// Whether it is asked back.
    asked: Arc<watch::Sender<bool>>,
}

/// A request to give a slot back. Dropping it withdraws it.
pub(super) struct Request(Given);

/// A wait for the moment at which a slot must be given back.
pub(crate) struct WantedBack(Option<(watch::Receiver<bool>, Duration)>);

impl Returnable {
    /// Enters a slot that is given on these terms.
    pub(super) fn enter(&self, terms: Terms) -> Given {
        let given = Given {
            terms,
            asked: Arc::new(watch::Sender::new(false)),
        };
        self.all().push(given.clone());
        given
    }

    /// Removes a slot that was given back.
    pub(super) fn leave(&self, given: &Given) {
        self.all()
            .retain(|other| !Arc::ptr_eq(&other.asked, &given.asked));
    }

    /// Asks for a slot on behalf of a job with these terms: for the last one that was lent to an
    /// unattended job; if there is none, a caller's job asks for the last one that was borrowed for a
    /// further run.
    pub(super) fn ask(&self, terms: Terms) -> Option<Request> {
        let all = self.all();
        let last = |terms| {
            let mut unasked = all.iter().rev().filter(|given| !given.is_asked_back());
            unasked.find(|given| given.terms == terms)
        };
        let given = last(Terms::Lent).or_else(|| match terms {
            Terms::Attended => last(Terms::Borrowed),
            Terms::Due | Terms::Lent | Terms::Borrowed => None,
        })?;
        given.asked.send_replace(true);
        Some(Request(given.clone()))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    pub(super) fn is_asked_back(&self) -> bool {
        *self.asked.borrow()
    }

    /// Creates a wait for the moment at which it must be given back.
    pub(super) fn wanted_back(&self) -> WantedBack {
        let patience = match self.terms {
            Terms::Borrowed => PATIENCE,
            Terms::Attended | Terms::Due | Terms::Lent => Duration::ZERO,
        };
        WantedBack(Some((self.asked.subscribe(), patience)))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.asked.send_replace(false);
    }
}

impl WantedBack {
    /// Creates a wait for a slot that is never asked back.
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// Waits until the slot is asked back, and for as long as its terms allow. Goes on waiting if the
    /// request is withdrawn in the meantime.
    pub(crate) async fn wait(self) {
        let Some((mut asked, patience)) = self.0 else {
            return std::future::pending().await;
        };
        // Once its slot is given back, nothing can ask for it.
        while asked.wait_for(|asked| *asked).await.is_ok() {
            let withdrawn = asked.wait_for(|asked| !*asked);
            if patience.is_zero() || timeout(patience, withdrawn).await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[test]
    fn what_was_lent_last_is_asked_for_first_and_each_once() {
        let all = Returnable::default();
        let given = [Terms::Lent, Terms::Borrowed, Terms::Lent, Terms::Borrowed];
        let given = given.map(|terms| all.enter(terms));
        let mut requests = Vec::new();
        for expected in [2, 0, 3, 1] {
            requests.push(all.ask(Terms::Attended).unwrap());
            assert!(given[expected].is_asked_back(), "{expected}");
            let asked = given.iter().filter(|one| one.is_asked_back());
            assert_eq!(asked.count(), requests.len());
        }
        assert!(all.ask(Terms::Attended).is_none());
        requests.clear();
        assert!(!given.iter().any(Given::is_asked_back), "withdrawn");
        for lent in [2, 0] {
            all.leave(&given[lent]);
        }
        assert!(all.ask(Terms::Due).is_none(), "it waits for the runs' end");
        assert!(all.ask(Terms::Attended).is_some());
    }

    #[tokio::test]
    async fn a_borrowed_slot_is_given_back_when_patience_ends_and_a_lent_one_at_once() {
        let all = Returnable::default();
        let (borrowed, lent) = (all.enter(Terms::Borrowed), all.enter(Terms::Lent));
        let mut wait = Box::pin(borrowed.wanted_back().wait());
        let mut at_once = Box::pin(lent.wanted_back().wait());
        assert!(poll!(&mut wait).is_pending() && poll!(&mut at_once).is_pending());
        let requests = [all.ask(Terms::Attended), all.ask(Terms::Attended)];
        assert!(poll!(&mut at_once).is_ready());
        assert!(poll!(&mut wait).is_pending());
        tokio::time::sleep(PATIENCE / 2).await;
        // The job that waited had another slot.
        drop(requests);
        assert!(poll!(&mut wait).is_pending());
        tokio::time::sleep(PATIENCE * 2).await;
        assert!(poll!(&mut wait).is_pending());
        all.leave(&lent);
        let _request = all.ask(Terms::Attended);
        wait.await;
    }
}
