//! What parts of the API count for themselves.

use std::sync::Arc;

use warren_queue::ApiQueue;

use super::{Figures, Kind, Metrics, by_state};
use crate::callbacks::Callbacks;
use crate::dispatch::{Dispatch, Standing, WayName};

impl Metrics {
    /// Tells how many workers announce themselves.
    pub(crate) fn tell_workers(&self, queue: Arc<dyn ApiQueue>) {
        self.add(Figures {
            name: "workers",
            help: "Workers that announce themselves, by state",
            kind: Kind::Gauge,
            label: "state",
            read: move || by_state(&queue.workers()),
        });
    }

    /// Tells which fallbacks are left alone.
    pub(crate) fn tell_breakers(&self, dispatch: Arc<Dispatch>) {
        let is_open = move |way| {
            let mut fallbacks = dispatch.fallbacks();
            let found = fallbacks.find(|fallback| fallback.name() == way);
            found.is_some_and(|fallback| matches!(fallback.standing(), Standing::Open { .. }))
        };
        self.add(Figures {
            name: "breaker_open",
            help: "1 while this fallback is left alone, since it failed",
            kind: Kind::Gauge,
            label: "way",
            read: move || {
                let ways = [WayName::Executor, WayName::Judge0];
                let open = ways.map(|way| (way.as_str(), u64::from(is_open(way))));
                open.to_vec()
            },
        });
    }

    /// Tells what became of callbacks.
    pub(crate) fn tell_callbacks(&self, callbacks: Arc<Callbacks>) {
        self.add(Figures {
            name: "callbacks",
            help: "Callbacks: tries that were taken (posted) or not (failed), what followed from that, and what never was a try",
            kind: Kind::Counter,
            label: "result",
            read: move || {
                let told = callbacks.figures();
                vec![
                    ("posted", told.posted),
                    ("failed", told.failed),
                    ("retried", told.retried),
                    ("put_off", told.put_off),
                    ("given_up", told.given_up),
                    ("refused", told.refused),
                    ("lost", told.lost),
                ]
            },
        });
    }
}
