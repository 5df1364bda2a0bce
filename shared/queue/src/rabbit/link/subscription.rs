//! Subscriptions that outlive connections: the next connection serves the same subscriber.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::QueueError;

/// A stream's receiving end, as seen by the side that fills it.
pub(crate) struct Subscription<T, P = u16> {
    /// The most deliveries that may be unsettled at a time.
    pub(crate) prefetch: P,
    pub(crate) sender: mpsc::Sender<T>,
    /// Ends the stream.
    pub(crate) stop: CancellationToken,
}

impl<T, P: Copy> Clone for Subscription<T, P> {
    fn clone(&self) -> Self {
        Self {
            prefetch: self.prefetch,
            sender: self.sender.clone(),
            stop: self.stop.clone(),
        }
    }
}

impl<T, P> Subscription<T, P> {
    /// Returns whether its receiver is gone.
    fn has_ended(&self) -> bool {
        self.stop.is_cancelled() || self.sender.is_closed()
    }

    /// Waits for the next message of `consumer`. Returns `None` once the stream has ended.
    ///
    /// # Errors
    /// The broker has cancelled the consumer, or the connection failed while `doing` this.
    pub(crate) async fn next_of(
        &self,
        consumer: &mut Consumer,
        queue: &'static str,
        doing: &'static str,
    ) -> Result<Option<Delivery>, QueueError> {
        let delivered = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(None),
            () = self.sender.closed() => return Ok(None),
            delivered = consumer.next() => delivered,
        };
        let delivered = delivered.ok_or(QueueError::ConsumerCancelled(queue))?;
        delivered.map(Some).map_err(QueueError::while_doing(doing))
    }
}

/// A cell for the one subscription there may be at a time.
pub(crate) struct SingleSubscription<T, P = u16> {
    state: Arc<watch::Sender<State<T, P>>>,
    after: After,
}

/// The subscription that may follow one that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Another one.
    Another,
    /// Nothing.
    Nothing,
}

enum State<T, P> {
    Free,
    Taken(Subscription<T, P>),
    Ended,
}

impl<T, P> Clone for SingleSubscription<T, P> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            after: self.after,
        }
    }
}

impl<T: Send + 'static, P: Copy + Send + Sync + 'static> SingleSubscription<T, P> {
    pub(crate) fn new(after: After) -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::Free)),
            after,
        }
    }

    /// Subscribes until `stop` or `closed`, whichever comes first. `capacity` is the prefetch as a
    /// number of messages.
    pub(crate) fn subscribe(
        &self,
        what: &'static str,
        prefetch: P,
        capacity: usize,
        stop: CancellationToken,
        closed: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<mpsc::Receiver<T>, QueueError> {
        if closed.is_cancelled() {
            return Err(QueueError::Closed);
        }
        let (sender, receiver) = mpsc::channel(capacity);
        let either = closed.child_token();
        let subscription = Subscription {
            prefetch,
            sender,
            stop: either.clone(),
        };
        let mut taken = false;
        self.state.send_if_modified(|state| {
            taken = matches!(state, State::Free);
            if taken {
                *state = State::Taken(subscription);
            }
            taken
        });
        if !taken {
            return Err(QueueError::AlreadyTaken(what));
        }
        let (cell, ended) = (self.clone(), either);
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => ended.cancel(),
                () = ended.cancelled() => {}
            }
            // Drops the sender, so that the receiver ends even without a connection.
            cell.state.send_replace(match cell.after {
                After::Another => State::Free,
                After::Nothing => State::Ended,
            });
        });
        Ok(receiver)
    }

    /// Waits until there is a subscription that has not ended, and returns it.
    pub(crate) async fn subscribed(&self) -> Subscription<T, P> {
        let mut cell = self.state.subscribe();
        loop {
            if let State::Taken(subscription) = &*cell.borrow_and_update()
                && !subscription.has_ended()
            {
                return subscription.clone();
            }
            if cell.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Consumes `queue` with manual acknowledgement, at most `prefetch` unsettled.
pub(crate) async fn consume(
    channel: &Channel,
    queue: &str,
    tag: &str,
    prefetch: u16,
) -> Result<Consumer, QueueError> {
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await
        .map_err(QueueError::while_doing("set the prefetch"))?;
    channel
        .basic_consume(
            queue.into(),
            tag.into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(QueueError::while_doing("consume a queue"))
}

/// Stops consuming; returns the messages that had been prefetched.
pub(crate) async fn cancel(
    channel: &Channel,
    mut consumer: Consumer,
) -> Result<Vec<Delivery>, QueueError> {
    channel
        .basic_cancel(consumer.tag(), BasicCancelOptions::default())
        .await
        .map_err(QueueError::while_doing("stop consuming"))?;
    let mut prefetched = Vec::new();
    while let Some(Ok(delivery)) = consumer.next().await {
        prefetched.push(delivery);
    }
    Ok(prefetched)
}
