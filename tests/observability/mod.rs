//! Observability of running processes: metrics, traces, dashboards and alerts.

mod collector;
mod exposition;
mod manifests;
mod rules;
mod seen;
