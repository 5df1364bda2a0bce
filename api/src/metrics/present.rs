//! How the API is at the moment at which it is asked.

use std::fmt;
use std::sync::Weak;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use warren_protocol::presence::WorkerState;

use crate::state::AppState;

/// Reads the state that all requests share.
pub(crate) struct Present {
    /// Weak, since the state owns the metrics.
    pub(crate) state: Weak<AppState>,
    /// The most requests for execution at a time.
    pub(crate) max_in_flight: usize,
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct ServiceLabel {
    service: String,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(state) = self.state.upgrade() else {
            return Ok(());
        };
        self.gauges(&state, &mut encoder)?;
        queue(&state, &mut encoder)?;
        broker_pool(&state, &mut encoder)?;
        workers(&state, &mut encoder)?;
        services(&state, &mut encoder)
    }
}

impl Present {
    fn gauges(&self, state: &AppState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let backlog = state.recorder.backlog();
        for (name, help, value) in [
            (
                "in_flight",
                "Requests for execution that are in hand",
                state.in_flight.count(),
            ),
            ("in_flight_max", "How many there may be", self.max_in_flight),
            (
                "store_waiting",
                "Executions that wait to be recorded",
                backlog.waiting,
            ),
            (
                "store_waiting_max",
                "How many may wait before any is lost",
                crate::store::RECORD_BUFFER,
            ),
            (
                "store_failing",
                "1 while the store takes no executions",
                usize::from(backlog.failing),
            ),
            (
                "draining",
                "1 once this API stops",
                usize::from(state.draining.is_cancelled()),
            ),
        ] {
            gauge(encoder, name, help, whole(value))?;
        }
        let (name, help) = ("store_lost", "Executions that were never recorded");
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(backlog.lost).encode(metric)?;
        if let Some(wait) = state.admission.forecast() {
            let (name, help) = (
                "admission_wait_seconds",
                "For how long a new job would wait at most, as admission has it; absent while no worker is ready",
            );
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(wait.as_secs_f64()).encode(metric)?;
        }
        Ok(())
    }
}

/// As it was when health asked last, which `GET /metrics` has it do.
fn queue(state: &AppState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Some(status) = state.health.queue_status() else {
        return Ok(());
    };
    let help = "Jobs that wait for a worker, by class";
    let mut family = encoder.encode_descriptor("queue_waiting", help, None, MetricType::Gauge)?;
    for (class, value) in [
        ("interactive", status.waiting),
        ("unattended", status.unattended),
    ] {
        let label = ClassLabel { class };
        let metric = family.encode_family(&label)?;
        ConstGauge::new(u64::from(value)).encode(metric)?;
    }
    gauge(
        encoder,
        "queue_consumers",
        "Workers that take jobs, as the queue counts them",
        u64::from(status.consumers),
    )?;
    let (name, help) = ("queue_latency_seconds", "How long the queue took to say so");
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(status.latency.as_secs_f64()).encode(metric)
}

/// Absent without RabbitMQ.
fn broker_pool(state: &AppState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Some(pool) = state.health.queue.broker_pool() else {
        return Ok(());
    };
    for (name, help, value) in [
        (
            "broker_pool_size",
            "Connections to RabbitMQ that durable messages are published on",
            pool.size,
        ),
        (
            "broker_pool_available",
            "How many of these are not in use",
            pool.available,
        ),
        (
            "broker_pool_waiting",
            "Messages that wait for one of these",
            pool.waiting,
        ),
    ] {
        gauge(encoder, name, help, whole(value))?;
    }
    Ok(())
}

/// As they announce themselves.
fn workers(state: &AppState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let workers = state.health.queue.workers();
    let ready = || {
        let is_ready = |state: &WorkerState| *state == WorkerState::Ready;
        workers.iter().filter(move |worker| is_ready(&worker.state))
    };
    let slots = ready().map(|worker| u64::from(worker.slots)).sum();
    let help = "Jobs that the ready workers can run at a time, together";
    gauge(encoder, "worker_slots", help, slots)?;
    let running = workers.iter().map(|worker| u64::from(worker.running)).sum();
    let help = "Jobs that workers run, of all APIs";
    gauge(encoder, "worker_slots_taken", help, running)
}

/// What `/api/health` says of the services behind this API.
fn services(state: &AppState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "What GET /api/health says of each service: 0 ok, 1 degraded, 2 down";
    let mut family = encoder.encode_descriptor("service_state", help, None, MetricType::Gauge)?;
    for (service, standing) in state.health.standings() {
        let label = ServiceLabel { service };
        let metric = family.encode_family(&label)?;
        ConstGauge::new(u64::from(standing as u8)).encode(metric)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
