//! What operators see: metrics, traces, dashboards and alerts, from running processes.

mod collector;
mod exposition;
mod manifests;
mod rules;
mod seen;
