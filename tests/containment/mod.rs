//! Containment: each limit seen from inside a container, hostile programs, and the profile alone.

mod hostile;
mod limits;
mod profile;
