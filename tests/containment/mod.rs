//! Containment: each limit seen from inside a container, jobs kept apart, and hostile programs.

mod apart;
mod hostile;
mod limits;
