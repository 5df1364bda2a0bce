//! The queue between API and workers: a seam with two sides and two implementations.
//!
//! [`ApiQueue`] and [`WorkerQueue`] are the sides; [`QueueLink`] is what both have. The
//! implementations are RabbitMQ ([`RabbitApi`], [`RabbitWorker`]) and in-process ([`MemoryQueue`]),
//! held to one conformance suite (`tests/conformance/queue/`).

mod api_queue;
mod callback;
mod cancellations;
mod class;
mod deliveries;
mod delivery;
mod error;
mod event_bus;
mod link;
pub mod memory;
mod pending;
pub mod rabbit;
mod room_turns;
mod suspect_token;
mod unclaimed;
mod waiters;
mod worker_queue;
mod worker_registry;

pub use api_queue::{ApiQueue, BrokerPool, CANCEL_TIMEOUT};
pub use callback::{
    Callback, CallbackDelivery, LONGEST_CALLBACK_PAUSE, MAX_QUEUED_CALLBACKS, SettleCallback,
};
pub(crate) use class::LANE_COUNT;
pub use class::{JobClass, MAX_QUEUED_JOBS, Prefetch};
pub use deliveries::Deliveries;
pub use delivery::{Delivery, Settle};
pub use error::{QueueError, SubmitError};
pub use link::{QueueLink, QueueStatus, STATUS_TIMEOUT};
pub use memory::MemoryQueue;
pub use pending::{PendingReply, WaitError};
pub use rabbit::{Patience, RabbitApi, RabbitConfig, RabbitWorker};
pub use room_turns::RoomTurns;
pub use suspect_token::{Fetch, Offer, SuspectToken};
pub use unclaimed::{Fate, Unclaimed};
pub use worker_queue::WorkerQueue;
