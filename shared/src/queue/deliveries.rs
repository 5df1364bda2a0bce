//! The stream of jobs that a worker takes from.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::queue::Delivery;

/// The jobs as they arrive. Ends after its `stop` token was cancelled; what was fetched but not
/// taken by then, or when this is dropped, goes back to the queue.
pub struct Deliveries {
    fetched: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
    closed: CancellationToken,
}

impl Deliveries {
    /// A stream that ends with either token.
    pub(super) fn new(
        fetched: mpsc::Receiver<Delivery>,
        stop: CancellationToken,
        closed: CancellationToken,
    ) -> Self {
        Self {
            fetched,
            stop,
            closed,
        }
    }

    /// The next job. `None` once the stream has ended. Nothing is lost if the wait is dropped.
    pub async fn recv(&mut self) -> Option<Delivery> {
        loop {
            let delivery = tokio::select! {
                biased;
                () = self.stop.cancelled() => return self.end(),
                () = self.closed.cancelled() => return self.end(),
                delivery = self.fetched.recv() => delivery?,
            };
            if let Some(delivery) = delivery.if_worth_running() {
                return Some(delivery);
            }
        }
    }

    /// Gives back what was fetched and not taken.
    fn end(&mut self) -> Option<Delivery> {
        self.fetched.close();
        while let Ok(delivery) = self.fetched.try_recv() {
            drop(delivery);
        }
        None
    }
}
