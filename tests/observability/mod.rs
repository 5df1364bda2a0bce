//! The operators' view of running processes: metrics, traces, dashboards, alerts.

mod collector;
mod exposition;
mod manifests;
mod rules;
mod seen;
