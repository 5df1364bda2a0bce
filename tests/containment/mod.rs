//! Containment: each limit and the whole posture seen from inside, and hostile programs.

mod hostile;
mod limits;
mod posture;
mod self_test;
