//! Containment: limits and posture from inside, hostile programs, runs that PID 1 cannot report.

mod hostile;
mod last_resort;
mod limits;
mod posture;
mod profile;
mod self_test;
