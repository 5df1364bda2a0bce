//! Callbacks: posts results to the `callbackUrl` of their callers.
//!
//! They are accepted here, queued durably, and posted from the queue (`docs/design/callbacks.md`).

mod config;
mod counters;
mod guard;
mod lookup;
mod outbox;
mod own_addresses;
mod payload;
mod ports;
mod poster;
mod ranges;
mod receivers;
mod schedule;
mod signature;
mod waiting;

pub use config::CallbackConfig;
pub use counters::CallbackCounts;
pub use guard::Guard;
pub use schedule::{InvalidSchedule, Schedule};
pub use signature::{InvalidSecrets, Secrets};

pub(crate) use lookup::Lookup;
pub(crate) use outbox::Outbox;

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warren_protocol::callback::CallbackUrl;
use warren_protocol::contract::Refusal;
use warren_queue::{ApiQueue, Prefetch, QueueError};

use crate::metrics::{Kind, Metrics, Readings};
use crate::store::Store;
use counters::CallbackCounters;
use lookup::System;
use own_addresses::OwnAddresses;
use poster::{AT_A_TIME, Poster};

/// The advice to callers where no callbacks are posted.
const OFF: &str = "Leave callbackUrl out and read the result at GET /api/executions/{id}; if you operate this service, set WARREN_WEBHOOK_SECRET to have results posted.";

/// An API's part in callbacks.
pub(crate) struct Callbacks {
    config: Option<CallbackConfig>,
    counters: Arc<CallbackCounters>,
    own: Arc<OwnAddresses>,
    /// The way into the queue. It exists even if this API posts none itself, because another may.
    pub(crate) outbox: Arc<Outbox>,
}

/// Callbacks being posted, until [`Posting::end`].
pub(crate) struct Posting(Option<JoinHandle<()>>);

impl Callbacks {
    /// Creates the callbacks of an API. Without a configuration none are accepted or posted here.
    pub(crate) fn new(config: Option<CallbackConfig>, queue: Arc<dyn ApiQueue>) -> Self {
        let counters = Arc::<CallbackCounters>::default();
        Self {
            config,
            own: Arc::default(),
            outbox: Arc::new(Outbox::new(queue, Arc::clone(&counters))),
            counters,
        }
    }

    /// Returns whether callbacks are posted at all.
    pub(crate) fn is_on(&self) -> bool {
        self.config.is_some()
    }

    /// Parses and checks the `callbackUrl` of a request.
    pub(crate) fn accept(&self, url: Option<&str>) -> Result<Option<CallbackUrl>, Refusal> {
        let Some(url) = url else {
            return Ok(None);
        };
        let Some(config) = &self.config else {
            return Err(Refusal::CallbacksOff { instead: OFF });
        };
        let refused = |reason: String| Refusal::InvalidCallbackUrl { reason };
        let url: CallbackUrl =
            url.parse()
                .map_err(|invalid: warren_protocol::callback::InvalidCallbackUrl| {
                    refused(invalid.to_string())
                })?;
        // If they cannot be read now, no attempt is made before they are.
        let own = self.own.get().unwrap_or_default();
        let checked = config.guard.check_url(&url, &own);
        checked.map_err(|denied| refused(denied.to_string()))?;
        Ok(Some(url))
    }

    /// Starts posting queued callbacks, until `stop`.
    ///
    /// # Errors
    /// The callbacks of this handle of the queue were already taken.
    pub(crate) async fn post(
        &self,
        queue: &dyn ApiQueue,
        store: Arc<dyn Store>,
        stop: CancellationToken,
    ) -> Result<Posting, QueueError> {
        self.post_by(queue, store, Arc::new(System::default()), stop)
            .await
    }

    /// As [`Callbacks::post`], with names resolved by `lookup`.
    pub(crate) async fn post_by(
        &self,
        queue: &dyn ApiQueue,
        store: Arc<dyn Store>,
        lookup: Arc<dyn Lookup>,
        stop: CancellationToken,
    ) -> Result<Posting, QueueError> {
        let (Some(config), Some(prefetch)) = (&self.config, NonZeroU16::new(AT_A_TIME)) else {
            return Ok(Posting(None));
        };
        let deliveries = queue.callbacks(Prefetch(prefetch), stop).await?;
        let (counters, own) = (Arc::clone(&self.counters), Arc::clone(&self.own));
        let poster = Poster::new(config.clone(), store, lookup, own, counters);
        Ok(Posting(Some(tokio::spawn(poster.run(deliveries)))))
    }

    /// Registers the counters of callbacks.
    pub(crate) fn register(&self, metrics: &Metrics) {
        let counters = Arc::clone(&self.counters);
        metrics.register_collector(Readings {
            name: "callbacks",
            help: "Callbacks: tries that were taken (posted) or not (failed), what followed from that, and what never was a try",
            kind: Kind::Counter,
            label: "result",
            read: move || {
                let counts = counters.counts();
                vec![
                    ("posted", counts.posted),
                    ("failed", counts.failed),
                    ("retried", counts.retried),
                    ("put_off", counts.put_off),
                    ("given_up", counts.given_up),
                    ("refused", counts.refused),
                    ("lost", counts.lost),
                ]
            },
        });
    }

    /// Returns the current counts.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> CallbackCounts {
        self.counters.counts()
    }
}

impl Posting {
    /// Waits after `stop` for the attempts under way, for at most `grace`. Interrupted ones are
    /// redelivered, here or at another API.
    pub(crate) async fn end(self, grace: Duration) {
        let Some(mut posting) = self.0 else { return };
        if tokio::time::timeout(grace, &mut posting).await.is_err() {
            posting.abort();
            tracing::info!("interrupted callbacks; they will be posted again");
        }
    }
}
