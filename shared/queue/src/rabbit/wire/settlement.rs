//! Settlement of deliveries, within a bound.
//!
//! A delivery tag belongs to the channel that brought it; the library refuses to use it on any other,
//! so a late settlement is lost and the message is delivered again.

use std::time::Duration;

use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::time::timeout;

use crate::QueueError;

/// The longest that writing a settlement to the socket may take.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A settlement of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// It is done.
    Ack,
    /// It goes back to its queue.
    Requeue,
    /// It goes to the dead letters, if its queue has any.
    Reject,
}

/// Settles the message. An error means that the connection is lost, and with it our hold on the
/// message.
pub(crate) async fn settle(acker: &Acker, how: Settlement) -> Result<(), QueueError> {
    let nack = |requeue| BasicNackOptions {
        requeue,
        ..BasicNackOptions::default()
    };
    let settling = async {
        match how {
            Settlement::Ack => acker.ack(BasicAckOptions::default()).await,
            Settlement::Requeue => acker.nack(nack(true)).await,
            Settlement::Reject => acker.nack(nack(false)).await,
        }
    };
    let settled = timeout(SETTLE_TIMEOUT, settling)
        .await
        .map_err(|_elapsed| QueueError::TimedOut {
            context: "settling a delivery",
        })?
        .map_err(QueueError::while_doing("settle a delivery"))?;
    if settled {
        Ok(())
    } else {
        Err(QueueError::Disconnected)
    }
}
