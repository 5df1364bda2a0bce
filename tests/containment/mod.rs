//! Containment: limits from inside, hostile programs, runs that PID 1 cannot report.

mod hostile;
mod last_resort;
mod limits;
