//! The stream of jobs that a worker takes from.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{Delivery, Offer};

/// The longest that each of the two steps of the end may take: fetching stops, and the rest is
/// given back.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// The jobs as they arrive. The stream ends after its `stop` token was cancelled. Jobs that were
/// fetched but not taken by then, or when the stream is dropped, go back to the queue.
pub struct Deliveries {
    fetched: mpsc::Receiver<Offer>,
    stop: CancellationToken,
    closed: CancellationToken,
}

impl Deliveries {
    /// Creates a stream that ends with either token.
    pub(super) fn new(
        fetched: mpsc::Receiver<Offer>,
        stop: CancellationToken,
        closed: CancellationToken,
    ) -> Self {
        Self {
            fetched,
            stop,
            closed,
        }
    }

    /// Waits for the next job, or the token of a suspect. Returns `None` once the stream has ended.
    /// Nothing is lost if the wait is dropped.
    pub async fn recv(&mut self) -> Option<Offer> {
        loop {
            let offer = tokio::select! {
                biased;
                () = self.stop.cancelled() => return self.end().await,
                () = self.closed.cancelled() => return self.end().await,
                offer = self.fetched.recv() => offer?,
            };
            if let Some(offer) = offer.if_worth_taking() {
                return Some(offer);
            }
        }
    }

    async fn end(&mut self) -> Option<Offer> {
        hand_back(&mut self.fetched).await;
        None
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() && !self.closed.is_cancelled() {
            // Notifies the task that fetches that there is no reader any more.
            self.fetched.close();
        }
        if let Ok(runtime) = Handle::try_current()
            && !(self.fetched.is_closed() && self.fetched.is_empty())
        {
            let (_, nothing) = mpsc::channel(1);
            let mut fetched = std::mem::replace(&mut self.fetched, nothing);
            runtime.spawn(async move { hand_back(&mut fetched).await });
        }
    }
}

/// Gives back jobs that were fetched and not taken, once nothing more is fetched: a job that is
/// given back earlier could be delivered here again.
async fn hand_back(fetched: &mut mpsc::Receiver<Offer>) {
    let mut untaken = Vec::new();
    let fetching_ends = async {
        while let Some(offer) = fetched.recv().await {
            untaken.extend(offer.into_job());
        }
    };
    drop(timeout(END_TIMEOUT, fetching_ends).await);
    fetched.close();
    let giving_back = untaken
        .into_iter()
        .filter_map(Delivery::if_worth_running)
        .map(Delivery::requeue);
    // A job that cannot be given back in order goes back when it is dropped.
    drop(timeout(END_TIMEOUT, join_all(giving_back)).await);
}

impl Offer {
    fn if_worth_taking(self) -> Option<Self> {
        match self {
            Self::Job(delivery) => delivery.if_worth_running().map(Self::Job),
            Self::Suspect(token) => token.if_ours().map(Self::Suspect),
        }
    }
}
