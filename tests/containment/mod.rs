//! Containment: limits and posture from inside, hostile programs, jobs kept apart, last resort.

mod apart;
mod cases;
mod hostile;
mod last_resort;
mod limits;
mod posture;
mod self_test;
