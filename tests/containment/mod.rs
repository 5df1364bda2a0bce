//! Containment: each limit seen from inside a container, and hostile programs.

mod hostile;
mod limits;
