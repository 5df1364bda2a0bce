//! Metrics of the services behind the API, from the last health report.

use std::sync::Arc;

use warren_protocol::presence::{WorkerState, WorkerStatus};
use warren_queue::BrokerPool;

use super::Health;
use crate::metrics::{Kind, Metrics, Readings};

impl Health {
    /// Registers the state of the queue, of the workers, and of each service. `GET /metrics` asks for
    /// a report first, so that all of it is at most a second old.
    pub(crate) fn register(self: &Arc<Self>, metrics: &Metrics) {
        self.register_queue(metrics);
        self.register_broker_pool(metrics);
        self.register_workers(metrics);
        let health = Arc::clone(self);
        metrics.register_collector(Readings {
            name: "service_state",
            help: "What GET /api/health says of each service: 0 ok, 1 degraded, 2 down",
            kind: Kind::Gauge,
            label: "service",
            read: move || {
                let states = health.states.lock();
                let states = states.iter();
                states
                    .map(|(service, state)| (service.clone(), u64::from(*state as u8)))
                    .collect::<Vec<_>>()
            },
        });
    }

    fn register_queue(self: &Arc<Self>, metrics: &Metrics) {
        let status = || {
            let health = Arc::clone(self);
            move || *health.queue_status.lock()
        };
        let read = status();
        metrics.register_collector(Readings {
            name: "queue_waiting",
            help: "Jobs that wait for a worker, by class",
            kind: Kind::Gauge,
            label: "class",
            read: move || {
                read().map_or_else(Vec::new, |status| {
                    vec![
                        ("interactive", u64::from(status.waiting)),
                        ("unattended", u64::from(status.unattended)),
                    ]
                })
            },
        });
        let read = status();
        metrics.register_gauge(
            "queue_consumers",
            "Workers that take jobs, as the queue counts them",
            move || read().map(|status| status.consumers),
        );
        let read = status();
        metrics.register_gauge(
            "queue_latency_seconds",
            "How long the queue took to say so",
            move || read().map(|status| status.latency),
        );
    }

    /// Registers the pool of connections for durable messages; without RabbitMQ there is none.
    fn register_broker_pool(self: &Arc<Self>, metrics: &Metrics) {
        let pool = |part: fn(BrokerPool) -> usize| {
            let queue = Arc::clone(&self.queue);
            move || queue.broker_pool().map(part)
        };
        metrics.register_gauge(
            "broker_pool_size",
            "Connections to RabbitMQ that durable messages are published on",
            pool(|pool| pool.size),
        );
        metrics.register_gauge(
            "broker_pool_available",
            "How many of these are not in use",
            pool(|pool| pool.available),
        );
        metrics.register_gauge(
            "broker_pool_waiting",
            "Messages that wait for one of these",
            pool(|pool| pool.waiting),
        );
    }

    fn register_workers(self: &Arc<Self>, metrics: &Metrics) {
        let workers = || {
            let queue = Arc::clone(&self.queue);
            move || queue.workers()
        };
        let read = workers();
        metrics.register_collector(Readings {
            name: "workers",
            help: "Workers that announce themselves, by state",
            kind: Kind::Gauge,
            label: "state",
            read: move || by_state(&read()),
        });
        let read = workers();
        metrics.register_gauge(
            "worker_slots",
            "Jobs that the ready workers can run at a time, together",
            move || {
                let workers = read();
                let ready = workers
                    .iter()
                    .filter(|worker| worker.state == WorkerState::Ready);
                Some(ready.map(|worker| u64::from(worker.slots)).sum::<u64>())
            },
        );
        let read = workers();
        metrics.register_gauge(
            "worker_slots_taken",
            "Jobs that workers run, of all APIs",
            move || {
                let running = read()
                    .iter()
                    .map(|worker| u64::from(worker.running))
                    .sum::<u64>();
                Some(running)
            },
        );
    }
}

/// Counts the workers in each state.
fn by_state(workers: &[WorkerStatus]) -> Vec<(&'static str, u64)> {
    let (mut ready, mut suspended, mut draining) = (0, 0, 0);
    for worker in workers {
        match worker.state {
            WorkerState::Ready => ready += 1,
            WorkerState::Suspended { .. } => suspended += 1,
            WorkerState::Draining => draining += 1,
        }
    }
    vec![
        ("ready", ready),
        ("suspended", suspended),
        ("draining", draining),
    ]
}
